"""What one command asks of a sweep directory: its jobs, and what they share and differ in."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from src.compare.roles import EVERYTHING
from src.config.check_run import check_files
from src.config.compose import is_group
from src.config.overrides import parsed
from src.config.schema import flat
from src.config.section import as_typed, shown
from src.config.sentences import WrongValuesError
from src.errors import LabError
from src.sweep.jobs import Composer, Job, followers

Flat = dict[str, Any]
MOST_TOLD = 10


@dataclass
class Call:
    """What the jobs of a command have in common.

    Attributes:
        shared: the words that all jobs have.
        keys: those with several values, as typed.
        swept: the same as the config has them, and those that take their value from them.
        common: the decisive part of the config, as far as it is the same for all jobs.
        varying: the keys of that part that are not.
        choices: what stands in for a group that a job does not choose.
        content: a hash of the table that all jobs read; None where there is none, or several are swept.
        study: what decides which settings a sampler asks for, by key; None where the words alone do.
    """

    shared: list[str]
    keys: list[str]
    swept: list[str]
    common: Flat
    varying: list[str]
    choices: dict[str, str]
    content: str | None = field(default=None, compare=False)
    study: Flat | None = None

    def leaves_open(self, key: str) -> bool:
        """Whether the sweep varies a key of the config."""
        if key in self.varying or any(name in EVERYTHING for name in self.swept):
            return True
        return any(key == name or key.startswith(f"{name}.") for name in self.swept)

    def differences(self, other: "Call") -> list[str]:
        """What neither varies and yet is not the same: `data.rows (500 then, 100 now)`; this call is now."""
        found, typed = [], {without_sign(key_of(word)) for call in (self, other) for word in call.shared}
        for key in {**other.common, **self.common}:
            if key in self.swept or key in other.swept:
                continue
            # below a group that is swept all is open, but for what one of the commands has said for all its jobs
            if key not in typed and (self.leaves_open(key) or other.leaves_open(key)):
                continue
            if key in self.common and key in other.common and self.common[key] == other.common[key]:
                continue
            then, now = (call._shown(key) for call in (other, self))
            found.append(f"{key} ({then} then, {now} now)")
        if self.content and other.content and self.content != other.content:
            found.append("the rows of its table, which has changed since")
        return found

    def study_differences(self, other: "Call") -> list[str]:
        """What makes a sampler ask for other settings: `sampler.seed (1 then, 2 now)`; this call is now."""
        now, then = self.study, other.study
        if now is None or then is None:
            return []
        keys = [key for key in {**then, **now} if now.get(key) != then.get(key)]
        return [f"{key} ({shown(then.get(key))} then, {shown(now.get(key))} now)" for key in keys]

    def _shown(self, key: str) -> str:
        if key in self.common:
            return shown(self.common[key])
        return "not the same for all" if key in self.varying else "unset"

    def join(self, other: "Call") -> list[str]:
        """Take in what the next jobs of the same command vary; the words that are shared no longer."""
        lost = [word for word in self.shared if word not in other.shared]
        apart = [key for key in {**self.common, **other.common} if self.common.get(key) != other.common.get(key)]
        self.varying = sorted({*self.varying, *other.varying, *apart})
        self.common = {key: value for key, value in self.common.items() if key not in self.varying}
        self.keys, self.swept = sorted({*self.keys, *other.keys}), sorted({*self.swept, *other.swept})
        self.shared = [word for word in self.shared if word not in lost]
        return lost


def without_sign(key: str) -> str:
    """A key as the config has it: what is added (`+optimizer.rho`) or taken away (`~seed`) is one like any other."""
    return key.lstrip("+~")


def key_of(word: str) -> str:
    """`optimizer.lr` of `optimizer.lr=0.1`; a sign before it stays."""
    return word.partition("=")[0]


def swept_keys(words: Iterable[str]) -> set[str]:
    """The keys of typed words that have several values, if only in principle: `range(0,1)`."""
    return {without_sign(override.get_key_element()) for override in map(parsed, words) if override.is_sweep_override()}


def ask(
    jobs: Sequence[Sequence[str]],
    typed: Sequence[str],
    choices: Mapping[str, str],
    composer: Composer,
    apart: Callable[[str], bool] = lambda key: False,
) -> tuple[list[Job], Call]:
    """Compose and check every job.

    Args:
        jobs: their words.
        typed: the words that they were made of, those with several values as they were typed.
        choices: of the groups, where a job says nothing.
        composer: of the jobs.
        apart: whether a key tells the jobs from others, though it has one value.

    Returns:
        The jobs, and what they have in common.

    Raises:
        LabError: every value of any of them that is not allowed, and every file that is not there, each told once.
    """
    several = swept_keys(typed)
    everywhere = set.intersection(*(set(job) for job in jobs)) if jobs else set()
    shared = {word for word in everywhere if not (without_sign(key_of(word)) in several or apart(key_of(word)))}
    keys = list(dict.fromkeys(key_of(word) for job in jobs for word in job if word not in shared))
    found, wrong = list[Job](), dict[str, list[int]]()
    for index, words in enumerate(jobs):
        try:
            found.append(composer.job(words, [word for word in words if word not in shared]))
            check_files(found[-1].config)
        except LabError as error:
            for sentence in error.args if isinstance(error, WrongValuesError) else [str(error)]:
                wrong.setdefault(sentence, []).append(index)
    if wrong:
        where = {sentence: _where(jobs, set(those)) for sentence, those in wrong.items()}
        raise LabError(all_wrong({sentence: len(those) for sentence, those in wrong.items()}, len(jobs), where))
    names = {without_sign(key) for key in keys} | several
    swept = sorted(names | {follower for name in names for follower in followers(found[0].raw, name)})
    common, varying = _in_common(found)
    contents = {job.config.content() for job in found}
    content = contents.pop() if len(contents) == 1 else None
    return found, Call([w for w in jobs[0] if w in shared], keys, swept, common, varying, dict(choices), content)


def _in_common(jobs: Sequence[Job]) -> tuple[Flat, list[str]]:
    """What decides the numbers of all jobs, by key, as far as it is the same; and the keys where it is not."""
    common, varying = flat(jobs[0].config.decisive()), set[str]()
    for job in jobs[1:]:
        here = flat(job.config.decisive())
        varying |= common.keys() ^ here.keys()
        varying |= {key for key in common.keys() & here.keys() if common[key] != here[key]}
    return {key: value for key, value in common.items() if key not in varying}, sorted(varying)


def _where(jobs: Sequence[Sequence[str]], those: set[int]) -> str:
    """What tells some jobs from the others: `optimizer=adamw,muon`; empty where no key does."""
    words = [dict(word.split("=", 1) for word in job if "=" in word) for job in jobs]
    for key in words[min(those)]:
        ours = dict.fromkeys(str(words[index].get(key)) for index in sorted(those))
        others = {str(one.get(key)) for index, one in enumerate(words) if index not in those}
        if others and ours.keys().isdisjoint(others):
            return f"{key}={','.join(ours)}"
    return ""


def all_wrong(wrong: Mapping[str, int], jobs: int, where: Mapping[str, str] | None = None) -> str:
    """All sentences, with how many of the `jobs` each concerns, and which, where that is known and not said in it."""

    def concerned(sentence: str, number: int) -> str:
        which = (where or {}).get(sentence, "")
        said = sentence.startswith(tuple(f"{which.partition('=')[0]}{sign}" for sign in ":="))
        which = f": {which}" if which and not said and which not in sentence else ""
        some = f" ({number:,} of {jobs:,} jobs{which})"
        return "" if jobs == 1 else f" (all {jobs:,} jobs)" if number == jobs else some

    sentences = [f"{sentence}{concerned(sentence, number)}" for sentence, number in list(wrong.items())[:MOST_TOLD]]
    more = [f"and {len(wrong) - MOST_TOLD} more"] if len(wrong) > MOST_TOLD else []
    return "; ".join([*sentences, *more])


def words_of(job: Sequence[str], call: Call, keys: Iterable[str]) -> dict[str, str]:
    """A job's swept words by key; a key that only later commands sweep has the value that it had then.

    Args:
        job: its swept words.
        call: the command that asked for it.
        keys: all that any command swept.
    """
    words = {key_of(word): word.partition("=")[2] for word in job}
    for key in keys:
        if key not in call.keys and key not in words:
            value = (
                call.choices.get(without_sign(key))
                if is_group(without_sign(key))
                else call.common.get(without_sign(key))
            )
            words |= {} if value is None else {key: as_typed(value)}
    return words
