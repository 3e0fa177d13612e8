"""Classes by their name: the user's own, torch's and Lightning's."""

import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from src.errors import LabError, one_line, raised


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
        first = kind[0] if isinstance(kind, tuple) else kind
        raise LabError(f"{key}={path} is not a {first.__module__}.{first.__name__}")
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
def building(name: str, section: Any = None) -> Iterator[None]:
    """Tell in a sentence what a class of the user's own raises while something is made of it.

    Args:
        name: what it is called in a sentence: `model._target_=mypackage.Net`.
        section: that it is handed whole; a key that it wants and that is not there is named.

    Raises:
        LabError: it.
    """
    try:
        yield
    except LabError:
        raise
    except Exception as error:  # a user's class can raise anything
        if section is not None and isinstance(error, AttributeError) and error.obj is section:
            raise LabError(f"{name} needs {error.name}: add +{name.partition('.')[0]}.{error.name}=...") from None
        raise LabError(f"{name} cannot be built: {raised(error)}") from None


def built(factory: Any, name: str, keys: Mapping[str, Any], offered: Mapping[str, Any]) -> Any:
    """What a class or function of the user's own makes of its keys, and of what is offered as far as it names it.

    Args:
        factory: the class or function.
        name: what it is called in a sentence: `model._target_=mypackage.Net`.
        keys: given as they are.
        offered: given where its signature has the name.

    Raises:
        LabError: it cannot be built.
    """
    with building(name):
        taken = inspect.signature(factory).parameters
        return factory(**{key: value for key, value in offered.items() if key in taken}, **keys)
