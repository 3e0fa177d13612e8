"""What each swept key of a sweep is: compared, tuned, a part of the problem, or one that goes with another.

Compared are the optimizers; of one optimizer the values of the first swept key that is a choice (a scheduler, a model,
betas) or a number of neither the optimizer nor its schedule (a batch size, a width, a clipping limit), whose own are
tuned. What changes the meaning of a loss (data, a loss function, a surface) makes another problem instead.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from src.compare.rows import Row, Words, number, short, without_plus

OPTIMIZER, BATCH = "optimizer", "data.batch_size"
MOST_COMPARED = 12
"""Different numbers of a key: of more than those, as of numbers that are drawn, the best one is sought."""
EVERYTHING = ("experiment", "debug", "sweep")
"""Groups whose options may set all else, the optimizer too."""
PROBLEMS = ("data", "loss", "model.loss", "model.function", "model.point", *EVERYTHING)
"""Keys, and sections, whose values have losses that cannot be compared; the size of batches is none of them."""
NOUNS = {
    "batch_size": "batch size",
    "gradient_clip_val": "clipping limit",
    "hidden": "hidden size",
    "max_steps": "number of steps",
    **{name: name for name in ("activation", "callbacks", "model", "optimizer", "scheduler", "start")},
}

Kind = tuple[str, frozenset[str], str]
"""What tells contenders apart: the name, the optimizer's own keys (one's own adam beside the usual one sets others),
and the directory where one of that name is in several."""


@dataclass(frozen=True)
class Roles:
    """What each swept key of a sweep is; keys have no plus.

    Attributes:
        compared: the key whose values are: `optimizer`, or another where there is but one optimizer.
        followers: keys that advance with another one, by that one's name: nothing more is said of them.
    """

    compared: str
    followers: dict[str, str]

    def tunes(self, key: str) -> bool:
        """Whether the best value of a key is sought for each contender."""
        key = without_plus(key)
        if _names(key) or key == self.compared or key in self.followers:
            return False
        return _tuned(key) or key.startswith(f"{self.compared}.")

    def problem(self, row: Row) -> dict[str, str]:
        """The words of a run that make the problem."""

        def is_of_it(key: str) -> bool:
            plain = without_plus(key)
            return not (self.tunes(key) or _names(key) or plain == self.compared or plain in self.followers)

        return {key: word for key, word in row.setting.items() if is_of_it(key)}

    def kind(self, row: Row) -> Kind:
        """Whose run it is."""
        config = {without_plus(key): word for key, word in row.words.items()}
        if self.compared != OPTIMIZER:
            return config.get(self.compared, ""), frozenset(), row.origin
        name = config.get("optimizer._target_") or config.get("optimizer") or ""
        return name, frozenset(key for key in config if key.startswith("optimizer.")), row.origin


def roles_of(rows: Iterable[Row]) -> Roles:
    """What each key is, of runs that were searched among."""
    rows = list(rows)
    words = [{without_plus(key): word for key, word in row.setting.items()} for row in rows]
    values = {key: {each.get(key) for each in words} for key in dict.fromkeys(key for each in words for key in each)}
    choices = [key for key, of_one in values.items() if len(of_one) > 1 and _is_choice(key, of_one)]
    # the more telling first: what makes problems, then what is chosen, then how long it is trained
    choices.sort(key=lambda key: (not _makes_problems(key), key.startswith("trainer.")))
    followers = _followers(words, choices)
    by_optimizer = Roles(OPTIMIZER, followers)
    candidates = [key for key in values if key in choices and key not in followers and not _makes_problems(key)]
    if len({by_optimizer.kind(row) for row in rows}) > 1 or not candidates:
        return by_optimizer
    return Roles(candidates[0], followers)


def _names(key: str) -> bool:
    return without_plus(key) in (OPTIMIZER, "optimizer._target_")


def _tuned(key: str) -> bool:
    """Whether a key is tuned where something else is compared."""
    return key in ("scheduler", BATCH) or key.startswith(("optimizer.", "scheduler.", "trainer.gradient_clip_"))


def _makes_problems(key: str) -> bool:
    return key != BATCH and any(key == one or key.startswith(f"{one}.") for one in PROBLEMS)


def _is_choice(key: str, values: Collection[str | None]) -> bool:
    """Whether a key is not merely tuned."""
    if _names(key):
        return False
    numbers = all(value is None or number(value) is not None for value in values)
    tuned = key.startswith(("optimizer.", "scheduler.")) or (_tuned(key) and len(values) > MOST_COMPARED)
    return not (numbers and tuned)


def _followers(settings: Sequence[Words], keys: Sequence[str]) -> dict[str, str]:
    """Keys that advance with an earlier one, so that each tells the other's value.

    So does a key of the trainer that only the size of batches, and no problem by itself, decides: the steps of equally
    many epochs.
    """

    def follows(key: str, others: Sequence[str]) -> bool:
        seen: dict[tuple[str | None, ...], set[str | None]] = {}
        for one in settings:
            seen.setdefault(tuple(one.get(other) for other in others), set()).add(one.get(key))
        return all(len(values) == 1 for values in seen.values())

    found: dict[str, str] = {}
    for index, key in enumerate(keys):
        leaders = [one for one in keys[:index] if one not in found]
        leader = next((one for one in leaders if follows(key, [one]) and follows(one, [key])), None)
        if leader is None and BATCH in leaders and key.startswith("trainer.") and not _tuned(key):
            rest = [one for one in leaders if not (one.startswith("trainer.") or _tuned(one))]
            leader = BATCH if follows(key, [*rest, BATCH]) and not follows(key, rest) else None
        if leader is not None:
            found[key] = leader
    return found


# --- names -----------------------------------------------------------------------------------------------------------


def noun(key: str, several: bool = False) -> str:
    """What the values of a key are called: `optimizer`, `batch size`, `value of betas`; or several of them."""
    name = key.removesuffix("._target_").rpartition(".")[2]
    first, of, rest = NOUNS.get(name, f"value of {name}").partition(" of ")
    return f"{first}{'s' * (several and not first.endswith('s'))}{of}{rest}"


def labels_of(compared: str, kinds: Collection[Kind]) -> dict[Kind, str]:
    """Names that are as short as they can be, yet different."""
    optimizers, labels = compared == OPTIMIZER, dict[Kind, str]()
    classes = optimizers or compared.endswith("_target_")
    short_name = short_names(name for name, _, _ in kinds) if classes else {}
    of_each = [(short_name.get(name, name), origin) for name, _, origin in kinds]
    for kind, (name, origin) in zip(kinds, of_each, strict=True):
        own = [key.removeprefix("optimizer.") for key in sorted(kind[1]) if key != "optimizer._target_"]
        if optimizers:
            label = name or "the optimizer"
            label += f" [{', '.join(own) or 'as it is'}]" if of_each.count((name, origin)) > 1 else ""
        else:
            label = name if name and classes else f"{compared.rpartition('.')[2]}={short(name) or 'as it is'}"
        labels[kind] = label + (f" ({origin})" if origin else "")
    return labels


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Classes without their module, where that tells them apart."""
    whole = list(dict.fromkeys(names))
    last = [name.rpartition(".")[2] if " " not in name else name for name in whole]
    return {name: short if last.count(short) == 1 else name for name, short in zip(whole, last, strict=True)}
