"""Documents reach their files, and only those."""

from dataclasses import replace

import pytest

from spanledger_billing.cli.statement import asked, deliver
from spanledger_billing.errors import InvalidInputError, OperatorError
from spanledger_billing.statements import json_file
from spanledger_billing.statements.delivery import Order, file_name, write, write_all
from spanledger_billing.statements.model import Copy
from spanledger_billing.statements.rendering import Format
from support.statement_documents import statement

JSON = Order("2026-10", Format.JSON)


class Ledger:
    """Statements of some clients, those of them frozen that `bytes_of` names."""

    def __init__(self, *ids, copy=Copy.CHARGES, bytes_of=None):
        self.ids = ids
        self.copy = copy
        self.bytes_of = bytes_of or {}

    def clients(self, month):
        return self.ids

    def statement(self, client_id, month):
        if client_id.startswith("broken"):
            raise InvalidInputError(f"{client_id} has no terms in {month}")
        return statement(client=replace(statement().client, id=client_id, copy=self.copy))

    def frozen(self, client_id, month, copy, form):
        return self.bytes_of.get((client_id, copy, form))


def order(form=Format.JSON, **changes):
    return Order("2026-10", form, **changes)


def shown(path):
    return json_file.parse(path.read_bytes()).copy


@pytest.mark.parametrize("terms", Copy)
def test_without_a_word_the_copy_is_the_one_that_the_clients_terms_let_it_see(tmp_path, terms):
    deliver(Ledger("acme", copy=terms), "acme", order(), tmp_path / "a.json")
    assert shown(tmp_path / "a.json") is terms


@pytest.mark.parametrize("asked_for", Copy)
@pytest.mark.parametrize("terms", Copy)
def test_a_copy_that_is_asked_for_wins_over_the_terms(tmp_path, terms, asked_for):
    deliver(Ledger("acme", copy=terms), "acme", order(copy=asked_for), tmp_path / "a.json")
    assert shown(tmp_path / "a.json") is asked_for


def test_a_closed_month_gives_the_bytes_that_were_frozen(tmp_path):
    ledger = Ledger("acme", bytes_of={("acme", Copy.CHARGES, Format.JSON): b"frozen"})
    deliver(ledger, "acme", order(), tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == b"frozen"


def test_another_template_sets_a_closed_month_again(tmp_path):
    template = tmp_path / "mine.typ"
    template.write_text("mine")
    ledger = Ledger("acme", bytes_of={("acme", Copy.CHARGES, Format.PDF): b"frozen"})
    deliver(ledger, "acme", order(Format.PDF, template=template), tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF-")


def test_everyones_statements_go_into_a_folder_that_is_made(tmp_path, capsys):
    deliver(Ledger("acme", "globex"), None, order(Format.CSV), tmp_path / "new" / "folder")
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        "acme-2026-10.csv",
        "globex-2026-10.csv",
    ]
    assert capsys.readouterr().out == ""


def test_one_clients_fault_keeps_no_other_from_its_statement(tmp_path):
    with pytest.raises(OperatorError) as refused:
        write_all(Ledger("acme", "broken", "globex"), ["acme", "broken", "globex"], JSON, tmp_path, print)
    assert "1 of 3 statements could not be made" in str(refused.value)
    assert "broken: broken has no terms in 2026-10" in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["acme-2026-10.json", "globex-2026-10.json"]


@pytest.mark.parametrize(
    ("client_id", "name"),
    [
        ("acme", "acme-2026-10.json"),
        ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd-2026-10.json"),
        (".", "%2E-2026-10.json"),
        ("~root", "%7Eroot-2026-10.json"),
        ("a b\n\x00*", "a%20b%0A%00%2A-2026-10.json"),
        ("Zoë", "Zo%C3%AB-2026-10.json"),
    ],
)
def test_an_id_cannot_choose_where_its_file_goes(client_id, name):
    assert file_name(client_id, JSON) == name


def test_ids_that_are_one_name_to_some_file_systems_get_two_files(tmp_path):
    clients = ["acme", "ACME", "Acme"]
    write_all(Ledger(*clients), clients, JSON, tmp_path, print)
    names = {path.name.casefold() for path in tmp_path.iterdir()}
    assert len(names) == 3


def test_an_id_of_any_length_makes_a_name_that_a_file_can_have(tmp_path):
    clients = ["é" * 5000, "é" * 5000 + "x"]
    write_all(Ledger(*clients), clients, JSON, tmp_path, print)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_that_cannot_be_written_whole_is_not_written_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_bytes(b"before")

    def full(_self, _target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(OSError, match="No space left"):
        write(path, b"after")
    assert path.read_bytes() == b"before"
    assert [left.name for left in tmp_path.iterdir()] == ["a.json"]


def test_a_single_statement_goes_to_standard_output(capfdbinary):
    deliver(Ledger("acme"), "acme", order(), None)
    assert json_file.parse(capfdbinary.readouterr().out).client.id == "acme"


def test_a_pdf_is_not_poured_over_a_terminal(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with pytest.raises(InvalidInputError, match=r"add -o acme-2026-10.pdf"):
        deliver(Ledger("acme"), "acme", order(Format.PDF), None)


def test_everyones_statements_need_a_folder_and_somebody():
    with pytest.raises(InvalidInputError, match="add -o statements-2026-10"):
        deliver(Ledger("acme"), None, order(), None)
    with pytest.raises(InvalidInputError, match="no client has a statement in 2026-10"):
        deliver(Ledger(), None, order(), "folder")


def test_characters_that_a_pdf_could_not_show_are_named(tmp_path, capsys):
    class Rocket(Ledger):
        def statement(self, client_id, month):
            found = super().statement(client_id, month)
            return replace(found, client=replace(found.client, name="ACME \N{ROCKET}"))

    deliver(Rocket("acme"), "acme", order(Format.PDF), tmp_path)
    assert "acme: no font has \N{ROCKET} (U+1F680)" in capsys.readouterr().err
    assert (tmp_path / "acme-2026-10.pdf").exists()


@pytest.mark.parametrize(
    ("words", "everyone"), [(["acme"], False), (["acme", "2026-10"], True), (["acme", "2026-10", "x"], False)]
)
def test_a_client_or_all_but_not_both_are_asked_for(words, everyone):
    with pytest.raises(InvalidInputError, match="allowed: CLIENT MONTH, or MONTH --all"):
        asked(words, everyone=everyone)


def test_a_month_is_asked_for_by_year_and_month():
    assert asked(["acme", "2026-10"], everyone=False) == ("acme", "2026-10")
    assert asked(["2026-10"], everyone=True) == (None, "2026-10")
    with pytest.raises(InvalidInputError, match="the month is 'october'"):
        asked(["acme", "october"], everyone=False)
