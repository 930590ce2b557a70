"""PDF: what a client reads."""

import hashlib
import io
import re
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger_billing.errors import InvalidInputError
from spanledger_billing.money import Money
from spanledger_billing.statements import csv_file, json_file, pdf
from spanledger_billing.statements.lines import FeeLine, Gap, GapKind, ModelLine
from spanledger_billing.statements.model import Status
from support.statement_documents import bare, eur, statement, statements

AMOUNT = re.compile(r"\N{MINUS SIGN}?[0-9][0-9,]*(?:\.[0-9]+)?")
PLAIN = st.text("abcdefgh", min_size=3, max_size=9)


def read(document, template=None) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(pdf.render(document, template).content))


def text(document, template=None) -> str:
    return "\n".join(page.extract_text() for page in read(document, template).pages)


def lines(document) -> list[str]:
    """Lines as they stand on the page, columns apart."""
    pages = (page.extract_text(extraction_mode="layout") for page in read(document).pages)
    return [line.strip() for page in pages for line in page.splitlines() if line.strip()]


def amount(words: str) -> Decimal:
    return Decimal(AMOUNT.findall(words)[-1].replace(",", "").replace("\N{MINUS SIGN}", "-"))


def charges(found: list[str]) -> dict[str, list[Decimal]]:
    """The last figure of every line of the summary, which stands between the last line `Usage` and the total."""
    start = max(n for n, line in enumerate(found) if re.match(r"Usage {4}", line))
    end = max(n for n, line in enumerate(found) if line.startswith("Total charge "))
    return {
        "lines": [
            amount(line)
            for line in found[start:end]
            if re.search(r" {3,}\N{MINUS SIGN}?[0-9][0-9,.]*$", line)
        ],
        "total": [amount(found[end])],
    }


def everything(content: bytes) -> str:
    """All that is in the file, its streams decoded: what anyone could dig out of it.

    What is drawn is read as text: its stream holds numbers of glyphs and places on the page.
    """
    reader = pypdf.PdfReader(io.BytesIO(content))
    drawn = {page.raw_get("/Contents").idnum for page in reader.pages}
    out = [content.decode("latin-1"), str(reader.metadata), *(page.extract_text() for page in reader.pages)]
    for number in sorted({*reader.xref.get(0, {}), *reader.xref_objStm}):
        found = reader.get_object(pypdf.generic.IndirectObject(number, 0, reader))
        out.append(str(found))
        if isinstance(found, pypdf.generic.StreamObject) and number not in drawn:
            out.append(found.get_data().decode("latin-1"))
    return "\n".join(out)


@settings(max_examples=30, deadline=None)
@given(statements(names=PLAIN))
def test_lines_add_up_to_the_total(document):
    found = charges(lines(replace(document, status=Status.CLOSED)))
    net = [document.net.amount] if document.taxes else []
    assert sum(found["lines"]) - sum(net) == document.total.amount
    assert found["total"] == [document.total.amount]


@settings(max_examples=30, deadline=None)
@given(statements())
def test_any_month_with_any_names_can_be_set(document):
    assert pdf.render(document).content.startswith(b"%PDF-")


def test_a_months_figures_stand_in_it():
    found = text(statement())
    for words in (
        "Statement October 2026",
        "CLOSED",
        "R-2026-0042",
        "1 October 2026 \N{EN DASH} 31 October 2026",
        "Europe/Berlin (UTC+02:00 \N{RIGHTWARDS ARROW} UTC+01:00)",
        "1 USD = 0.92 EUR, 30 October 2026",
        "+82.11 (+10.3 %) against September 2026",
        "Adjustment of September 2026: 12 late calls",
        "VAT 19 % of 741.27",
        "882.11 EUR",
        "web search 3",
        "Calls whose usage is missing or was cut short, charged with what was proven: 3 (cut short 3)",
        "IBAN DE02 1203 0000 0000 2020 51",
    ):
        assert words in " ".join(found.split())


def test_cost_markup_and_charge_of_a_model_stand_in_one_line():
    row = next(line for line in lines(statement()) if line.startswith("gpt-5.2"))
    assert row.split()[2:] == ["1,234", "1,323,579", "34,567", "500.00", "150.00", "650.00"]


@pytest.mark.parametrize(
    ("currency", "written"), [("JPY", "1,234"), ("USD", "1,234.00"), ("KWD", "1,234.000")]
)
def test_an_amount_has_its_currencys_decimals(currency, written):
    rate = None if currency == "USD" else statement().rate
    total = Money(Decimal(1234), currency)
    document = bare(currency=currency, rate=rate, total=total, fees=(FeeLine("fee", total),))
    assert f"{written} {currency}" in text(document)


def test_the_same_document_gives_the_same_bytes_here_and_in_another_process(tmp_path):
    (tmp_path / "statement.json").write_bytes(json_file.render(statement()))
    program = (
        "import sys, hashlib; from spanledger_billing.statements import json_file, pdf\n"
        "content = open(sys.argv[1], 'rb').read()\n"
        "print(hashlib.sha256(pdf.render(json_file.parse(content)).content).hexdigest())"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "statement.json"],
        cwd=tmp_path,
        env={"TZ": "Asia/Tokyo", "LC_ALL": "C", "SOURCE_DATE_EPOCH": "1", "PATH": ""},
        capture_output=True,
        check=True,
        text=True,
    )
    here = pdf.render(statement()).content
    assert pdf.render(statement()).content == here
    assert elsewhere.stdout.strip() == hashlib.sha256(here).hexdigest()


def test_a_full_copy_shows_the_margin_and_a_clients_copy_does_not():
    assert "Margin before adjustments and tax 268.97" in " ".join(text(statement()).split())
    assert "Margin" not in text(statement().for_client())


def test_an_address_without_spaces_stays_on_the_page():
    long = replace(statement().client, address=("x" * 150,), reference="y" * 150)
    (page, *_) = read(statement(client=long)).pages
    assert page.extract_text().replace("\n", "").replace("\u200b", "").count("x" * 24) >= 1
    widest = max(len(line) for line in page.extract_text().splitlines())
    assert widest < 120


def test_its_date_is_the_end_of_the_month():
    assert read(statement()).metadata["/CreationDate"] == "D:20261031230000Z"


# Drafts and copies ----------------------------------------------------------------------------------


def test_a_draft_says_so_across_every_page_and_a_closed_month_on_none():
    draft = many_models(120, status=Status.DRAFT)
    pages = [page.extract_text() for page in read(draft).pages]
    assert len(pages) > 2
    assert all("DRAFT" in page for page in pages)
    assert "DRAFT" not in text(many_models(status=Status.CLOSED))


SECRETS = (
    "500.00",
    "543.47",
    "513.37",
    "150.00",
    "13.37",
    "-1.03",
    "268.97",
    "148.97",
    "87.13",
    "31.59",
    "9.48",
    "558.01",
)
WORDS = ("cost", "markup", "margin", "30 %", '"30"')


def test_a_full_copy_has_what_a_clients_copy_must_not_have():
    written = (json_file.render(statement()) + csv_file.render(statement())).decode()
    assert all(secret in written for secret in SECRETS)


def test_a_clients_copy_leaks_nothing_in_any_format():
    shown = statement().for_client()
    for form in (
        json_file.render(shown).decode(),
        csv_file.render(shown).decode(),
        everything(pdf.render(shown).content),
    ):
        assert [secret for secret in (*SECRETS, *WORDS) if secret in form.lower()] == []


def test_a_search_through_a_pdf_finds_what_a_full_copy_says():
    found = everything(pdf.render(statement()).content).lower()
    assert "cost" in found
    assert "500.00" in found


# Pages ----------------------------------------------------------------------------------------------


def many_models(count: int = 40, **changes):
    models = tuple(
        ModelLine(
            "openai",
            f"a-rather-long-model-name-for-the-table-{n:02}",
            1,
            {"input": Decimal(n)},
            eur("1.00"),
            eur("0.50"),
        )
        for n in range(count)
    )
    return statement(
        models=models,
        fees=(),
        minimum=None,
        adjustments=(),
        taxes=(),
        days=(),
        total=eur(f"{count}.00"),
        **changes,
    )


def test_figures_too_long_to_stand_beside_a_models_name_stand_below_it():
    many = {"input": Decimal(10**15), "output": Decimal(10**15)}
    amount = eur("123456789012.34")
    line = ModelLine("openai", "gpt-5.2", 10**9, many, charge=amount, cost=amount)
    found = [
        each.split()
        for each in lines(
            statement(models=(line,), fees=(), minimum=None, adjustments=(), taxes=(), days=(), total=amount)
        )
    ]
    assert ["gpt-5.2", "openai"] in found
    assert [row for row in found if row[:1] == ["1,000,000,000"]]


def test_the_header_row_repeats_on_every_page_of_the_table():
    pages = [page.extract_text() for page in read(many_models()).pages]
    with_models = [page for page in pages if "a-rather-long-model-name" in page]
    assert len(with_models) > 1
    assert all("Tokens out" in page for page in with_models)
    assert sum(page.count("a-rather-long-model-name") for page in pages) == 40


def test_pages_after_the_first_name_agency_client_and_number():
    _, *others = [page.extract_text() for page in read(many_models()).pages]
    for number, page in enumerate(others, 2):
        assert page.startswith("Nordlicht Digital")
        assert "ACME GmbH" in page
        assert "R-2026-0042" in page
        assert f"Page {number} of {len(others) + 1}" in page


def test_a_name_of_any_length_is_cut_where_a_reader_has_seen_enough():
    endless = replace(statement().models[0], model="x" * 10_000)
    found = text(statement(models=(endless, statement().models[1]))).replace("\N{ZERO WIDTH SPACE}", "")
    assert max(len(run) for run in re.findall("x+", found.replace("\n", ""))) == 157


# Names from anyone ----------------------------------------------------------------------------------

INJECTIONS = (
    '#panic("out")',
    '#read("/etc/passwd")',
    '"; #panic() //',
    "$x$ *bold* _it_ `raw` <label> @ref = heading",
    "\\u{41} \\ #let x = 1",
    "{{ x }} ]#text[ )",
)


@pytest.mark.parametrize("name", INJECTIONS)
def test_a_name_is_printed_and_never_run(name):
    document = statement(
        client=replace(statement().client, name=name, contact=name, address=(name,)),
        agency=replace(statement().agency, name=name, texts={"footer": name, "title": name}),
        models=(replace(statement().models[0], model=name, provider=name), statement().models[1]),
        number=name,
    )
    found = "".join(text(document).replace("\N{ZERO WIDTH SPACE}", "").split())
    assert found.count("".join(name.split())) >= 6


def test_right_to_left_names_keep_their_letters_and_the_figures_their_order():
    found = text(statement(client=replace(statement().client, name="שלום ושות שركة")))
    assert "שלום" in found
    assert "882.11 EUR" in found


def test_a_mark_that_turns_text_around_is_taken_out():
    document = statement(client=replace(statement().client, name="ACME \u202e11.288 RUE\u202c"))
    assert "\u202e" not in text(document)


def test_symbols_without_a_glyph_are_left_out_and_letters_become_one_replacement():
    document = statement(client=replace(statement().client, name="Rocket \N{ROCKET} 株式会社 Ltd"))
    made = pdf.render(document)
    assert made.missing == "".join(sorted("\N{ROCKET}株式会社"))
    assert "Rocket \ufffd Ltd" in text(document)


def test_joined_and_coloured_emoji_leave_nothing_behind():
    family = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}\ufe0f"
    assert "ACME\n" in text(statement(client=replace(statement().client, name=f"ACME {family}")))


def test_latin_greek_cyrillic_hebrew_and_arabic_are_not_missing():
    name = "Łódź Ωμέγα Ёлка שלום شركة ½ € „Zitat“"
    assert pdf.render(statement(client=replace(statement().client, name=name))).missing == ""


# The agency's template ------------------------------------------------------------------------------


def test_the_agencys_texts_replace_the_templates():
    texts = {
        "title": "Abrechnung",
        "total": "Gesamtbetrag",
        "thousands_separator": ".",
        "decimal_separator": ",",
        "months": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    }
    found = text(statement(agency=replace(statement().agency, texts=texts)))
    assert "Abrechnung Oktober 2026" in " ".join(found.split())
    assert "1.323.579" in found
    assert "882,11 EUR" in found


def test_words_of_payment_intro_and_footer_stand_in_it():
    texts = {"payment": "Please pay within 30 days.", "intro": "Thank you.", "footer": "IBAN DE02"}
    found = text(statement(agency=replace(statement().agency, texts=texts)))
    assert all(words in found for words in texts.values())


def test_every_word_that_the_example_of_clients_yaml_replaces_is_one_of_the_template():
    example = Path("schema/clients.example.yaml").read_text()
    replaced = re.findall(
        r"^    (\w+):", example.partition("  texts:\n")[2].partition("\n\n")[0], re.MULTILINE
    )
    known = re.findall(r'^  (\w+): "', pdf.TEMPLATE.read_text(), re.MULTILINE)
    assert replaced
    assert set(replaced) <= set(known)


def test_a_template_of_the_agencys_gets_the_same_document(tmp_path):
    template = tmp_path / "mine.typ"
    template.write_text(
        '#let d = json("statement.json")\nDear #d.client.name, #read("words.txt") #d.total.amount'
    )
    (tmp_path / "words.txt").write_text("you owe")
    assert text(statement(), template) == "Dear ACME GmbH, you owe 882.11"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("#nonsense(", "cannot be set"),
        ('#read("../secret.txt")', "cannot access files outside"),
        ('#import "@preview/cetz:0.3.4"', "imports a package from the network"),
    ],
)
def test_a_template_that_cannot_be_set_is_named_with_its_fault(tmp_path, source, found):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "templates").mkdir()
    template = tmp_path / "templates" / "mine.typ"
    template.write_text(source)
    with pytest.raises(InvalidInputError, match=found) as refused:
        pdf.render(statement(), template)
    assert str(template) in str(refused.value)


def test_a_template_that_is_not_there_is_named():
    with pytest.raises(InvalidInputError, match=r"the template /nowhere/x.typ cannot be read"):
        pdf.render(statement(), Path("/nowhere/x.typ"))


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="10"><rect width="40" height="10"/></svg>'


def test_a_logo_takes_the_place_of_the_agencys_name(tmp_path):
    logo = tmp_path / "logo.svg"
    logo.write_bytes(SVG)
    with_logo = pdf.render(statement(agency=replace(statement().agency, logo=str(logo)))).content
    assert with_logo != pdf.render(statement()).content
    assert with_logo == pdf.render(statement(agency=replace(statement().agency, logo=str(logo)))).content


@pytest.mark.parametrize(("name", "found"), [("missing.png", "cannot be read"), ("logo.exe", "convert it")])
def test_a_logo_that_cannot_be_used_is_named(tmp_path, name, found):
    with pytest.raises(InvalidInputError, match=found):
        pdf.render(statement(agency=replace(statement().agency, logo=str(tmp_path / name))))


@pytest.mark.parametrize("kind", GapKind)
def test_what_the_total_leaves_out_stands_beside_it_twice(kind):
    document = statement(gaps=(Gap(kind, 4711),))
    assert text(document).count(": 4,711") == 2
