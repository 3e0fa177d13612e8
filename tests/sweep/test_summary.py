"""What a sweep says at its end, read back from the rendered table."""

import io
import re
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from src.compare.remarks import remarks
from src.compare.rows import Row
from src.compare.selection import contenders
from src.sweep.summary import table


def run(job: int, words: str, val: float | None, confirms: int | None = None, **more: float) -> Row:
    pairs = {key: value for key, _, value in (word.partition("=") for word in words.split())}
    metrics = {"val/loss": val, **{f"{name}/loss": loss for name, loss in more.items()}}
    return Row(job, pairs, "completed" if val is not None else "diverged", 100 + job, metrics, confirms)


def rendered(rows: Sequence[Row], exact: float | None = None) -> list[list[str]]:
    """The cells of the table, title and header first."""
    stream = io.StringIO()
    Console(file=stream, width=300).print(table(contenders(rows), rows, exact=lambda row: exact))
    lines = [re.split(r"[│┃]", line)[1:-1] for line in stream.getvalue().splitlines()]
    return [
        [stream.getvalue().splitlines()[0].strip()],
        *([cell.strip() for cell in cells] for cells in lines if cells),
    ]


SWEEP = [
    run(0, "optimizer=sgd optimizer.lr=0.1 seed=0", 3.0),
    run(1, "optimizer=sgd optimizer.lr=0.1 seed=1", 4.0),
    run(2, "optimizer=sgd optimizer.lr=9 seed=0", None),
    run(3, "optimizer=sgd optimizer.lr=9 seed=1", 1.0),
    run(4, "optimizer=adam optimizer.lr=0.1 seed=0", 1.5),
    run(5, "optimizer=adam optimizer.lr=0.1 seed=1", 1.5),
]


def test_the_best_optimizer_comes_first() -> None:
    assert rendered(SWEEP) == [
        ["best setting of each optimizer: 6 runs"],
        ["optimizer", "best setting", "val/loss", "seeds", "steps", "diverged"],
        ["adam", "lr=0.1", "1.5", "2", "104.5", "0 of 1"],
        ["sgd", "lr=0.1", "3.464", "2", "100.5", "1 of 2"],
    ]
    assert remarks(contenders(SWEEP)) == [
        "the losses are val/loss, on which the settings were selected: of 2 seeds, so without interval",
        "the best of many flatters itself: confirm_seeds=20 trains each winner on 20 fresh seeds",
        "more seeds, seed=range(0,8) say, show what is due to chance",
        "sgd: optimizer.lr=0.1 is the smallest of 2 tried: try optimizer.lr=tag(log,interval(0.0105,0.949))",
        "adam: its 2 seeds gave one and the same loss: nothing here depends on them",
    ]


def test_what_training_left_above_the_exact_loss_and_accuracy_stand_beside_the_loss() -> None:
    rows = [
        run(job, f"optimizer={name}", 1.0, train=loss) for job, (name, loss) in enumerate([("sgd", 2), ("adam", 3)])
    ]
    rows = [replace(row, metrics={**row.metrics, "val/accuracy": 0.75}) for row in rows]
    assert rendered(rows, 1.5)[1:] == [
        ["optimizer", "best setting", "val/loss", "train above exact", "val/accuracy", "seeds", "steps", "diverged"],
        ["sgd", "as it is", "1", "0.5", "0.75", "1", "100", "0 of 1"],
        ["adam", "as it is", "1", "1.5", "0.75", "1", "101", "0 of 1"],
    ]
    assert "train above exact" not in rendered(rows)[1]


def test_confirmed() -> None:
    """The order is that of the fresh seeds, not of the selection."""
    fresh = [
        run(6, "optimizer=sgd optimizer.lr=0.1 seed=2", 9.0, confirms=0, test=1.25),
        run(7, "optimizer=sgd optimizer.lr=0.1 seed=3", 9.0, confirms=0, test=1.75),
        run(8, "optimizer=adam optimizer.lr=0.1 seed=2", 9.0, confirms=4, test=2.0),
        run(9, "optimizer=adam optimizer.lr=0.1 seed=3", 9.0, confirms=4, test=4.0),
    ]
    assert rendered([*SWEEP, *fresh]) == [
        ["best setting of each optimizer: 6 runs, 4 to confirm"],
        ["optimizer", "best setting", "test/loss", "seeds", "steps", "diverged"],
        ["sgd", "lr=0.1", "1.479", "2", "106.5", "1 of 2"],
        ["adam", "lr=0.1", "2.828", "2", "108.5", "0 of 1"],
    ]
    first = remarks(contenders([*SWEEP, *fresh]))[0]
    assert first.startswith("selected on val/loss; the losses are test/loss on fresh seeds: of 2 seeds, so without")
    half = rendered([*SWEEP, *fresh[:2]])
    assert half[1][2] == "loss"
    assert [row[2] for row in half[2:]] == ["test/loss 1.479", "val/loss 1.5"]
    assert "adam: not confirmed yet: its loss is the one it was selected by" in remarks(
        contenders([*SWEEP, *fresh[:2]])
    )


def test_a_confirmation_that_diverged() -> None:
    fresh = [run(6, "optimizer=adam optimizer.lr=0.1 seed=2", None, confirms=4)]
    (row,) = [row for row in rendered([*SWEEP, *fresh]) if row[0] == "adam"]
    assert row[2].endswith("diverged on 1 of 1 seeds")


def test_all_diverged() -> None:
    rows = [run(0, "optimizer=sgd optimizer.lr=1 seed=0", None), run(1, "optimizer=sgd optimizer.lr=2 seed=0", None)]
    assert rendered(rows)[2] == ["sgd", "none of 2 came through", "", "1", "", "2 of 2"]
    assert remarks(contenders(rows)) == ["sgd: no setting came through on every seed (2 diverged of 2)"]


def test_without_optimizers_there_is_one_row() -> None:
    rows = [run(0, "optimizer.lr=0.5", 2.0), run(1, "optimizer.lr=0.1", 1.0), run(2, "optimizer.lr=0.01", 3.0)]
    found = rendered(rows)
    assert found[1][0] == "best setting"
    assert found[2:] == [["lr=0.1", "1", "1", "101", "0 of 3"]]
    told = remarks(contenders(rows))
    assert told[0] == "the losses are val/loss, on which the settings were selected: of one seed, so without interval"
    assert told[-1] == "more seeds, seed=range(0,8) say, show what is due to chance"


def test_in_a_narrow_terminal_no_number_breaks() -> None:
    """It is 80 columns wide, and with intervals beside their losses the table would be 85."""
    rows = [
        run(seed, f"optimizer={name} optimizer.lr={rate} seed={seed}", 0.015 + 0.001 * seed + 0.1 * (rate > 1))
        for name in ("momentum", "rmsprop")
        for rate in (0.251188643151, 1.2)
        for seed in range(3)
    ]
    for width, lines in ((80, 9), (120, 7)):
        stream = io.StringIO()
        Console(file=stream, width=width).print(table(contenders(rows), rows, width))
        told = stream.getvalue()
        assert len(told.splitlines()) == lines
        assert max(map(len, told.splitlines())) <= width
        assert told.count(" lr=0.2512 ") == len(re.findall(r" \[0\.\d+, 0\.\d+\] ", told)) == 2


def test_seeds_alone() -> None:
    rows = [run(seed, f"seed={seed}", 1.0 + seed) for seed in range(3)]
    assert rendered(rows)[2][:2] == ["as it is", "1.817 [0.4571, 7.223]"]
    assert len(remarks(contenders(rows))) == 1  # there was nothing to select


def test_numbers_of_a_grid_are_shortened() -> None:
    rows = [run(0, "optimizer.lr=0.00215443469003 optimizer.note=0.1.2.3.4.5", 1.0)]
    assert rendered(rows)[2][0] == "lr=0.002154 note=0.1.2.3.4.5"


def test_several_problems() -> None:
    rows = [run(i, f"data={data} optimizer.lr={lr}", i) for i, (data, lr) in enumerate(
        [("line", 1), ("line", 2), ("teacher", 1), ("teacher", 2)])]  # fmt: skip
    assert [row[:2] for row in rendered(rows)[1:]] == [
        ["problem", "best setting"],
        ["line", "lr=1"],
        ["teacher", "lr=1"],
    ]
    told = remarks(contenders(rows))[-1]
    assert told.startswith("the best optimizer.lr is the smallest that was tried: on data=line (1; try optimizer.lr=")


def test_brackets_are_shown_as_they_are() -> None:
    rows = [
        run(0, "optimizer=my[bold] +optimizer.betas=[red] +optimizer.rho[/]=0.1", 1.0),
        run(1, "optimizer=my[bold] +optimizer.betas=[red] +optimizer.rho[/]=0.2", 2.0),
    ]
    assert rendered(rows)[2][:2] == ["my[bold]", "betas=[red] rho[/]=0.1"]
    assert any("my[bold]: +optimizer.rho[/]=0.1 is the smallest of 2" in remark for remark in remarks(contenders(rows)))


def test_where_nothing_is_drawn_nobody_is_sent_for_more_seeds() -> None:
    rows = [run(0, "optimizer=sgd optimizer.lr=0.1", 2.0), run(1, "optimizer=adam optimizer.lr=0.1", 1.0)]
    (told,) = remarks(contenders(rows), chance=False)
    assert told == "the losses are val/loss; nothing here is drawn, so they need no interval"


def test_of_a_table_rmse_and_r2_stand_beside_the_loss() -> None:
    def of(job: int, words: str, loss: float | None) -> Row:
        one = run(job, words, loss)
        scores = {"val/rmse": loss and loss**0.5, "val/r2": loss and 1 - loss / 8, "test/rmse": 1.0}
        return replace(one, metrics={**one.metrics, **scores})

    rows = [
        of(0, "optimizer=sgd optimizer.lr=0.1", 4.0),
        of(1, "optimizer=sgd optimizer.lr=0.2", 9.0),
        of(2, "optimizer=adam", None),
    ]
    assert rendered(rows)[1:] == [
        ["optimizer", "best setting", "val/loss", "val/rmse", "val/r2", "seeds", "steps", "diverged"],
        ["sgd", "lr=0.1", "4", "2", "0.5", "1", "100", "0 of 2"],
        ["adam", "none of 1 came through", "", "", "", "1", "", "1 of 1"],
    ]
