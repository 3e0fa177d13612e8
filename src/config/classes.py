"""Classes by their name: the user's own, torch's and Lightning's."""

import importlib
import inspect
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from src.errors import LabError, nearest, one_line, raised


def import_class(path: str, key: str, kind: type | tuple[type, ...]) -> Any:
    """The class, or factory function, at `path`.

    Raises:
        LabError: it cannot be imported or is not of this kind.
    """
    try:
        module, _, name = path.rpartition(".")
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # importing a user's module can raise anything
        raise LabError(
            f"{key}={path} cannot be imported ({one_line(error)}); "
            "it must be importable from the folder where you start, or installed"
        ) from None
    if isinstance(found, type) and not issubclass(found, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        raise LabError(f"{key}={path} is not a {' or a '.join(f'{one.__module__}.{one.__name__}' for one in kinds)}")
    if not callable(found):
        raise LabError(f"{key}={path} is not a class")
    return found


def reset_facts(kind: type, base: type, methods: Sequence[str], facts: Sequence[str]) -> None:
    """Take back what classes above say of methods that `kind` has otherwise; `base`'s values hold again.

    A fact counts where it is stated by the class that defines the method it speaks of, or by one below that class.

    Args:
        kind: a class that has just been made.
        base: has every method and fact.
        methods: what the facts speak of.
        facts: attributes.
    """

    def depth(name: str) -> int:
        return next(index for index, one in enumerate(kind.__mro__) if name in vars(one))

    defined = min(map(depth, methods))
    for fact in facts:
        if depth(fact) > defined:
            setattr(kind, fact, vars(base)[fact])


@contextmanager
def telling(what: str, advice: str = "") -> Iterator[None]:
    """Tell in a sentence what a class of the user's own raises.

    Args:
        what: could not be done: `model._target_=mypackage.Net cannot be built`.
        advice: that ends the sentence.

    Raises:
        LabError: it.
    """
    try:
        yield
    except LabError:
        raise
    except Exception as error:  # a user's class can raise anything
        raise LabError(f"{what}: {raised(error)}{advice}") from None


@contextmanager
def building(name: str, section: Any = None) -> Iterator[None]:
    """Tell in a sentence what a class of the user's own raises while something is made of it.

    Args:
        name: what it is called in a sentence: `model._target_=mypackage.Net`.
        section: that it is handed whole; a key that it wants and that is not there is named.

    Raises:
        LabError: it.
    """
    with telling(f"{name} cannot be built"):
        try:
            yield
        except AttributeError as error:
            if section is None or error.obj is not section:
                raise
            raise LabError(f"{name} needs {error.name}: add +{name.partition('.')[0]}.{error.name}=...") from None


def parameters_of(factory: Any) -> tuple[inspect.Parameter, ...] | None:
    """What a class or function takes; None where it has no signature."""
    try:
        return _signed(factory) if isinstance(factory, Hashable) else _signed.__wrapped__(factory)
    except (TypeError, ValueError):
        return None


@lru_cache(maxsize=256)
def _signed(factory: Any) -> tuple[inspect.Parameter, ...]:
    return tuple(inspect.signature(factory).parameters.values())


def check_keys(
    factory: Any, arguments: Mapping[str, Any], section: str, given: int, offered: Collection[str] = ()
) -> None:
    """Refuse keys that the class does not take, and missing ones, before it is built.

    Args:
        factory: the class or function.
        arguments: the keys of its section.
        section: how that section is called, for the sentence.
        given: how many leading arguments the program itself gives (the parameters, the optimizer).
        offered: arguments that the program gives by name, where they are taken.

    Raises:
        LabError: it names the keys.
    """
    parameters = parameters_of(factory)
    if parameters is None:
        return
    parameters, name = parameters[given:], getattr(factory, "__name__", str(factory))
    named = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    named = {key: p for key, p in named.items() if key not in offered}
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        extra = [key for key in arguments if key not in named]
        if extra:
            drop = " ".join(f"~{section}.{key}" for key in extra)
            meant = nearest(extra[0], named) if len(extra) == 1 else ""
            alone = (
                "; the default group optimizer=sgd gives it only lr"
                if section == "optimizer" and "lr" in named and extra != ["lr"]
                else ""
            )
            raise LabError(
                f"{name} does not take {', '.join(extra)} (it takes {', '.join(named) or 'nothing'}): "
                f"drop {'it' if len(extra) == 1 else 'them'} with {drop}{meant or alone}"
            )
    missing = [key for key, p in named.items() if p.default is p.empty and key not in arguments]
    if missing:
        add = " ".join(f"{'' if key == 'lr' else '+'}{section}.{key}=..." for key in missing)
        raise LabError(f"{name} needs {', '.join(missing)}: add {add}")


def built(factory: Any, name: str, keys: Mapping[str, Any], offered: Mapping[str, Any]) -> Any:
    """What a class or function of the user's own makes of its keys, and of what is offered as far as it names it.

    Args:
        factory: the class or function.
        name: what it is called in a sentence: `model._target_=mypackage.Net`.
        keys: given as they are.
        offered: given where its signature has the name.

    Raises:
        LabError: keys that it does not take or that are missing, or it cannot be built.
    """
    with building(name):
        check_keys(factory, keys, name.partition("._target_")[0], 0, offered)
        taken = {parameter.name for parameter in parameters_of(factory) or ()}
        return factory(**{key: value for key, value in offered.items() if key in taken}, **keys)
