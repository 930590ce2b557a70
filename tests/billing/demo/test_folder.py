"""Where the demo keeps its data when nobody says."""

from pathlib import Path

from spanledger_billing.cli.demo import _new_folder


def test_each_demo_without_a_folder_named_gets_one_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = []
    for _ in range(3):
        folder = _new_folder()
        folder.mkdir()
        found.append(folder)

    assert found == [Path("spanledger-demo"), Path("spanledger-demo-2"), Path("spanledger-demo-3")]
