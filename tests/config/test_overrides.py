"""Words: numbers where a text is wanted, and the command for a shell."""

from collections.abc import Iterator
from types import NoneType
from typing import Any, get_args

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from src.config.compose import compose
from src.config.overrides import TEXTS, parsed, python_command, quote_texts
from src.config.schema import Config
from src.errors import LabError


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("2", "2"),
        ("1.50", "1.50"),
        ("1e3", "1e3"),
        ("true", "true"),
        ("NO", "NO"),
        ("007", "007"),
        ("2 rooms", "2 rooms"),
        ("'2'", "2"),
        ("null", None),
        ("'price, EUR'", "price, EUR"),
        ("利润", "利润"),
        ("R&D Spend", "R&D Spend"),
        ("Sales (€)", "Sales (€)"),
        ("voltage [V]", "voltage [V]"),
        ("Owner's age", "Owner's age"),
    ],
)
def test_a_text_is_what_was_typed(value: str, read: str | None) -> None:
    """A column may be called 2, and `1.50` is not 1.5."""
    config = compose(["data=table", "data.path=houses.csv", f"data.target={value}"])
    assert config.data.target == read


def test_names_in_a_list_are_what_was_typed() -> None:
    config = compose(["data=table", "data.path=1", "data.target=y", "data.features=[2, 1.50,area,'3', \"4,5\", null]"])
    assert list(config.data.features) == ["2", "1.50", "area", "3", "4,5", None]
    config = compose(["data=table", "data.path=~/a b.csv", "data.target=y", "data.features=[Fläche, R&D,'a,b']"])
    assert list(config.data.features) == ["Fläche", "R&D", "a,b"]
    assert config.data.path == "~/a b.csv"


def test_of_a_multirun_every_value_is_what_was_typed() -> None:
    (word,) = quote_texts(["data.target=1.50,2,price"])
    assert list(parsed(word).sweep_string_iterator()) == ["'1.50'", "'2'", "price"]
    (word,) = quote_texts(["data.target=利润,price"])
    assert list(parsed(word).sweep_string_iterator()) == ["'利润'", "price"]


@pytest.mark.parametrize("sign", [",", ";", "|", "tab", "\\t", "\t", " ", "';'", "space"])
def test_a_separator_is_read_as_a_shell_hands_it_over(sign: str) -> None:
    config = compose(["data=table", "data.path=houses.csv", "data.target=y", f"data.separator={sign}"])
    assert config.data.separator == sign.strip("'")


def test_a_decimal_point_is_read_as_a_shell_hands_it_over() -> None:
    for sign in (".", ","):
        config = compose(["data=table", "data.path=houses.csv", "data.target=y", f"data.decimal={sign}"])
        assert config.data.decimal == sign


@pytest.mark.parametrize(
    "word", ["data.rows=1.50", "optimizer.lr=2", "data.target=choice(1,2)", "data.features=null", "1"]
)
def test_other_words_stay(word: str) -> None:
    assert quote_texts([word]) == [word]


def fields(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of a section, and of those below it, of each kind that they can be of, with its type."""
    for name, field in section.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        yield key, field.annotation
        for part in parts(field.annotation):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from fields(part, f"{key}.")
    for kind in section.__subclasses__():
        yield from fields(kind, prefix)


def parts(annotation: Any) -> list[Any]:
    """The types that a type is put together from."""
    return [part for one in get_args(annotation) for part in parts(one)] or [annotation]


def test_what_is_quoted_is_what_the_schema_has_as_a_text() -> None:
    types = {key: {part for part in parts(kind) if isinstance(part, type)} for key, kind in fields(Config)}
    texts = {key for key, inside in types.items() if str in inside and inside <= {str, NoneType}}
    assert {key for key in texts if not key.endswith("_target_")} - {"model.function", "optimizer.rule"} == set(TEXTS)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("data.target=price, EUR", "add -m; one value with a comma in it: \"data.target='price, EUR'\""),
        ("data.path=a,b.csv", "add -m; one value with a comma in it: \"data.path='a,b.csv'\""),
    ],
)
def test_how_a_comma_is_quoted_is_said(word: str, hint: str) -> None:
    with pytest.raises(LabError) as error:
        compose(["data=table", word])
    assert str(error.value).endswith(hint)
    assert parsed(hint.partition('"')[2][:-1]).value() == word.partition("=")[2]


def test_the_command_can_be_pasted_into_a_shell() -> None:
    assert python_command(["data.x=[1, 2]", "seed=3"]).endswith(" -m src.train 'data.x=[1, 2]' seed=3")


@given(key=st.sampled_from(["seed", "optimizer.lr", "a_1.b2.c"]), number=st.integers() | st.floats(allow_nan=False))
def test_a_number_is_read_as_by_hydra(key: str, number: float) -> None:
    word = f"{key}={number!r}"
    ours, hydras = parsed(word), OverridesParser.create().parse_override(word)
    assert ours == hydras
    assert type(ours.value()) is type(hydras.value())


@pytest.mark.parametrize("value", ["007", "-0", "1.", ".5", "1_000", "+1", "1e5", "2E-3", "-1.50", "0x1", "1e"])
def test_what_resembles_a_number_is_read_as_by_hydra(value: str) -> None:
    ours, hydras = parsed(f"k={value}"), OverridesParser.create().parse_override(f"k={value}")
    assert (ours, type(ours.value())) == (hydras, type(hydras.value()))
