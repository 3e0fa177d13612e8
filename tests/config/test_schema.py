"""What the schema allows, the sentence for what it does not, and which keys decide the numbers."""

import copy
import json
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from src.config.compose import CONF, compose
from src.config.schema import Config, check
from src.config.section import Activation, shown
from src.errors import LabError

NEEDED = {
    "data=table": ("data.path=houses.csv", "data.target=price"),
    "data=custom": ("data._target_=mypackage.Spiral",),
    "loss=custom": ("loss._target_=mypackage.MyLoss",),
    "loss=value": ("model=surface",),
    "model=custom": ("model._target_=mypackage.Net",),
    "data=noise": ("model=surface",),
}
CHOICES = sorted(
    f"{group}={path.stem}"
    for group in ("data", "loss", "model", "optimizer", "scheduler", "trainer")
    for path in (CONF / group).glob("*.yaml")
)
TYPED = [choice for choice in CHOICES if choice.startswith(("data", "model", "trainer"))]

Plain = dict[str, Any]
Path_ = tuple[str, ...]


@cache
def _composed(*words: str) -> Plain:
    extra = [word for choice in words for word in NEEDED.get(choice, ())]
    container = OmegaConf.to_container(compose(["logger=none", *words, *extra]), resolve=False)
    assert isinstance(container, dict)
    job = {str(key): value for key, value in container.items() if key != "hydra"}
    resolved = OmegaConf.to_container(OmegaConf.create(job), resolve=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


def plain(*words: str) -> Plain:
    """The config of these choices, as plain dictionaries that a test may change."""
    return copy.deepcopy(_composed(*words))


def checked(config: Plain) -> Config:
    return check(OmegaConf.create(config))


def put(config: Plain, path: Path_, value: Any) -> Plain:
    """The config with the value at the path."""
    *above, last = path
    section = config
    for key in above:
        section = section[key]
    section[last] = value
    return config


def leaves(tree: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Every value that is no section, with its path."""
    if isinstance(tree, dict) and tree:
        for key, inner in tree.items():
            yield from leaves(inner, (*path, str(key)))
    else:
        yield path, tree


def refused(config: Plain) -> str:
    with pytest.raises(LabError) as told:
        checked(config)
    sentence = str(told.value)
    assert "\n" not in sentence
    assert "Input should" not in sentence
    return sentence


# --- what is refused ---


@pytest.mark.parametrize("choice", TYPED)
def test_every_key_refuses_a_value_of_another_type(choice: str) -> None:
    section = choice.partition("=")[0]
    for path, _ in leaves(_composed(choice)[section], (section,)):
        sentence = refused(put(plain(choice), path, {"a": 1}))
        assert ".".join(path) in sentence
        assert "{a:1}" in sentence or path[-1] == "_target_"


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=str)
@pytest.mark.parametrize("choice", CHOICES)
def test_every_number_must_be_finite(choice: str, value: float) -> None:
    section = choice.partition("=")[0]
    for path, old in leaves(_composed(choice)[section] or {}, (section,)):
        if isinstance(old, float) or (isinstance(old, list) and old):
            given_ = [value, *old[1:]] if isinstance(old, list) else value
            sentence = refused(put(plain(choice), path, given_))
            assert ".".join(path) in sentence
            assert str(value) in sentence


@pytest.mark.parametrize("choice", TYPED)
def test_every_key_must_be_there(choice: str) -> None:
    section = choice.partition("=")[0]
    for path, _ in leaves(_composed(choice)[section], (section,)):
        if path[1] == "values" or path[-1] == "_target_":
            continue  # starts need not be given; the class decides which keys there are
        config = plain(choice)
        del config[section][path[1]]
        assert refused(config) == f"{'.'.join(path)} is missing"


@pytest.mark.parametrize("choice", TYPED)
def test_a_key_that_is_not_there_is_told_with_the_nearest(choice: str) -> None:
    if choice in ("data=custom", "model=custom"):
        section = choice.partition("=")[0]
        assert getattr(checked(put(plain(choice), (section, "hiden"), 3)), section).arguments()["hiden"] == 3
        return
    section = choice.partition("=")[0]
    known = max(_composed(choice)[section], key=len)
    sentence = refused(put(plain(choice), (section, f"{known}x"), 3))
    assert sentence == f"{section}.{known}x: there is no such key; did you mean {section}.{known}?"


ABOVE_ZERO = [
    ("data=line", "data.rows"),
    ("data=features", "data.inputs"),
    ("data=random", "data.inputs"),
    ("data=random", "data.outputs"),
    ("data=teacher", "data.hidden"),
    ("model=two_layer", "model.hidden"),
    ("optimizer=sgd", "optimizer.lr"),
    ("trainer=default", "trainer.max_steps"),
    ("trainer=default", "trainer.val_every_n_steps"),
    ("trainer=default", "trainer.log_every_n_steps"),
    ("trainer=default", "trainer.block_size"),
    ("trainer=default", "trainer.devices"),
    ("trainer=default", "trainer.gradient_clip_val"),
    ("trainer=default", "trainer.divergence_factor"),
]


@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize(("choice", "key"), ABOVE_ZERO)
def test_what_must_be_above_zero(choice: str, key: str, value: int) -> None:
    assert refused(put(plain(choice), tuple(key.split(".")), value)) == f"{key}={value}: must be greater than 0"


REFUSED = [
    (["data=line"], "data.batch_size", 0, "data.batch_size=0: must be 'full' or a number of rows above 0"),
    (["data=line"], "data.batch_size", True, "data.batch_size=true: must be 'full' or a number of rows above 0"),
    (["data=line"], "data.batch_size", 501, "data.batch_size=501 is more than the 500 training rows"),
    (["data=points"], "data.batch_size", 4, "data.batch_size=4 is more than the 3 points"),
    (["data=line"], "data.val", 1.0, "data.val=1.0: must be a number of rows (0, 1, 2, ...) or a fraction of them"),
    (["data=line"], "data.val", -1, "data.val=-1: must be a number of rows"),
    (["data=line"], "data.test", True, "data.test=true: must be a number of rows"),
    (["data=line"], "data.noise", -0.5, "data.noise=-0.5: must be greater than or equal to 0"),
    (["data=line"], "data.low", 1.0, "data.low=1 must be below data.high=1"),
    (["data=line"], "data.spacing", "evenly", "data.spacing=evenly: must be 'even', 'uniform' or 'normal'"),
    (["data=line"], "data._target_", "src.data.line.Lines", "own; did you mean src.data.line.Line?"),
    (["data=features"], "data.rows", 10, "data.rows=10 must be more than data.inputs=10"),
    (["data=features"], "data.weights", [1.0, 2.0], "data.weights has 2 numbers for data.inputs=10"),
    (["data=features"], "data.condition_number", 0.5, "must be greater than or equal to 1"),
    (["data=diabetes"], "data.val", 0.9, "data.val=0.9 + data.test=0.15 leaves no rows for training"),
    (["data=diabetes"], "data.train", 0.5, "data.train=0.5 + data.val=0.15 + data.test=0.15 is 0.8"),
    (["data=diabetes"], "data.train", 0, "data.train=0 leaves no rows for training"),
    (["data=points"], "data.x", [1.0, 2.0], "data.x has 2 points and data.y has 3"),
    (["data=points"], "data.x", [], "data.x=[]: must be a list of numbers, or a list of equally long lists of them"),
    (["data=points"], "data.x", [[], [], []], "data.x=[[],[],[]]: must be a list of numbers"),
    (["data=points"], "data.y", [1, "a", 2], "data.y=[1,a,2]: must be a list of numbers"),
    (["data=points"], "data.y", [[1], 2, 3], "data.y=[[1],2,3]: must be a list of numbers"),
    (["model=linear"], "model.values.weight", "abc", "model.values.weight=abc: must be a number, a list of numbers"),
    (["model=linear"], "model.values.weight", [], "model.values.weight=[]: must be a number, a list of numbers"),
    (["model=linear"], "model.loss", "value", "model.loss=value: must be 'mean' or 'sum'"),
    (["model=surface"], "model.loss", "mean", "model.loss=mean: must be 'value'"),
    (
        ["model=surface"],
        "model.function",
        "rosenbrok",
        "bowl, ravine, saddle, rosenbrock, beale, himmelblau, rastrigin",
    ),
    (["model=surface"], "model.function", "rosenbrok", "monkey_saddle; did you mean rosenbrock?"),
    (["model=surface"], "model.point", [1.0], "model.point=[1.0]: must be two numbers, [x,y], or null (the function's"),
    (["model=surface"], "model.point", [True, 1.0], "model.point=[true,1.0]: must be two numbers"),
    (["model=surface"], "data.noise", 1.0, "data.noise=1: rows of noise average to 0, so one row has none: say data.r"),
    (["model=linear"], "model.values", 3, "model.values=3: must be a section of keys"),
    (["model=linear"], "model.dtype", "float16", "model.dtype=float16: must be 'float32' or 'float64'"),
    (["model=custom"], "model.gradient", "by_hand", "model.gradient=by_hand needs a model of this project"),
    (["model=custom"], "model._target_", "Net", "model._target_=Net: must be a class with its module"),
    (["optimizer=sgd"], "optimizer.lr", "0.1", "optimizer.lr='0.1': must be a valid number"),
    (["optimizer=sgd"], "optimizer._target_", "torch.optim.Adma", "torch.optim has no Adma; did you mean Adam?"),
    (["optimizer=sgd"], "optimizer._target_", "torch.optim.Optimizer", "torch.optim has no Optimizer"),
    (["optimizer=sgd"], "optimizer._partial_", False, "optimizer._partial_=false: must be True"),
    (["scheduler=step"], "scheduler._target_", "torch.optim.lr_scheduler.StepL", "did you mean StepLR?"),
    (["trainer=default"], "trainer.devices", 2, "trainer.devices=2 needs trainer=ddp"),
    (["trainer=default"], "trainer.max_steps", 1000.0, "trainer.max_steps=1000.0: must be a valid integer"),
    (["trainer=default"], "trainer.zero_grad_every_n_steps", -1, "must be greater than or equal to 0"),
    (["scheduler=exponential"], "scheduler.gamma", -1, "scheduler.gamma=-1: must be greater than 0"),
    (["scheduler=one_cycle"], "scheduler.max_lr", 0, "scheduler.max_lr=0: must be greater than 0"),
    (["scheduler=cosine"], "scheduler.T_max", 0, "scheduler.T_max=0: must be greater than 0"),
    (["scheduler=cosine"], "scheduler.eta_min", -0.1, "scheduler.eta_min=-0.1: must be greater than or equal to 0"),
    (["scheduler=step"], "scheduler.step_size", "abc", "scheduler.step_size=abc: must be a valid integer"),
    (["optimizer=sgd"], "optimizer.lr", 1e300, "optimizer.lr=1e+300 is more than float32 holds"),
    ([], "seed", -1, "seed=-1: must be greater than or equal to 0"),
    ([], "seed", 2**32, "seed=4294967296: must be less than 4294967296"),
    ([], "ckpt_path", 3, "ckpt_path=3: must be a text; put it in quotes: '3'"),
    ([], "callbacks.checkpoint.every_n_steps", 0, "callbacks.checkpoint.every_n_steps=0: must be a number of steps"),
    ([], "callbacks.checkpoint.mode", "least", "callbacks.checkpoint.mode=least: must be 'min' or 'max'"),
    ([], "callbacks.checkpoint.monitor", "val/los", "callbacks.checkpoint.monitor=val/los: must be train/loss, val/l"),
    ([], "callbacks.checkpoint._target_", "Checkpoint", "must be a class with its module"),
    ([], "callbacks.checkpoint", 3, "callbacks.checkpoint=3: must be a section of keys"),
    (["callbacks=early_stopping"], "callbacks.early_stopping.monitor", None, "monitor=null: must be train/loss, val/l"),
    (["callbacks=early_stopping"], "callbacks.early_stopping.monitor", 3, "monitor=3: must be train/loss, val/loss or"),
    (["callbacks=early_stopping"], "callbacks.early_stopping.min_delta", float("nan"), "min_delta=nan: must be finite"),
    (
        ["callbacks=early_stopping"],
        "callbacks.early_stopping.patience",
        "x",
        "early_stopping.patience=x: must be a val",
    ),
    (["callbacks=early_stopping"], "data.val", 1e-4, "callbacks.early_stopping.monitor=val/loss needs validation ro"),
    (["callbacks=parameters"], "callbacks.parameters.most", 2.5, "callbacks.parameters.most=2.5: must be a valid int"),
    (["callbacks=early_stopping"], "data.val", 0, "callbacks.early_stopping.monitor=val/loss needs validation rows"),
]


@pytest.mark.parametrize(("words", "key", "value", "sentence"), REFUSED)
def test_the_sentence(words: list[str], key: str, value: Any, sentence: str) -> None:
    assert sentence in refused(put(plain(*words), tuple(key.split(".")), value))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["model=surface", "data=line"],
            "model=surface fits no data: say data=noise, which is the noise of its gradient",
        ),
        (["data=noise"], "data=noise is the noise of a surface's gradient: say model=surface, or other data"),
    ],
)
def test_a_surface_and_its_noise_go_together(words: list[str], sentence: str) -> None:
    with pytest.raises(LabError) as told:
        check(compose(["logger=none", *words]))
    assert str(told.value) == sentence
    both = check(compose(["logger=none", "model=surface"]))
    assert (both.data.target_, both.model.loss) == ("src.data.noise.Noise", "value")


def test_a_surfaces_value_is_no_other_models_loss() -> None:
    for words in (["loss=value"], ["model=surface", "loss=squares"]):
        with pytest.raises(
            LabError, match=r"^loss=value belongs to model=surface, and to no other model: leave loss= out$"
        ):
            check(compose(["logger=none", *words]))


@pytest.mark.parametrize(("loss", "model"), [("squares", "mean"), ("sum_of_squares", "sum")])
def test_a_choice_of_loss_is_the_same_as_the_key_of_the_model(loss: str, model: str) -> None:
    by_group, by_key = (check(compose(["logger=none", word])) for word in (f"loss={loss}", f"model.loss={model}"))
    assert by_group.model.loss == by_key.model.loss == model
    assert by_group.fingerprint() == by_key.fingerprint()


def test_several_mistakes_are_told_at_once() -> None:
    config = put(put(plain(), ("data", "rows"), 0), ("optimizer", "lr"), -1.0)
    assert refused(config) == "data.rows=0: must be greater than 0; optimizer.lr=-1.0: must be greater than 0"


def test_a_wrong_seed_is_told_once() -> None:
    """`data.seed`, `data.shuffle_seed` and `model.seed` are taken from it."""
    with pytest.raises(LabError) as told:
        check(compose(["logger=none", "seed=-1"]))
    assert str(told.value) == "seed=-1: must be greater than or equal to 0"
    with pytest.raises(LabError, match=r"^data\.seed=-2: [^;]*$"):
        check(compose(["logger=none", "data.seed=-2"]))


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("seed=${nothing}", "seed: Interpolation key 'nothing' not found"),
        ("~seed", "data.seed: Interpolation key 'seed' not found"),
        ("data.rows=${seed.foo}", "data.rows"),
        ("data.rows=${foo:3}", "data.rows: Unsupported interpolation type foo"),
        ("data.rows=???", r"missing: data.rows \(say data.rows=...\)"),
    ],
)
def test_values_that_lead_nowhere(word: str, sentence: str) -> None:
    with pytest.raises(LabError, match=f"^{sentence}"):
        check(compose(["logger=none", word]))


def test_a_table_must_be_named() -> None:
    with pytest.raises(LabError, match=r"^missing: data.path, data.target \(say data.path=houses.csv data.target="):
        check(compose(["logger=none", "data=table"]))


def test_fractions_that_add_up_to_one_but_for_rounding_are_allowed() -> None:
    config = plain("data=diabetes")
    config["data"] |= {"train": 0.7, "val": 0.2, "test": 0.1}
    assert sum((0.7, 0.2, 0.1)) != 1.0
    assert checked(config).data.arguments()["train"] == 0.7


def test_a_users_own_callback_may_log_what_is_watched() -> None:
    config = put(plain("callbacks=early_stopping"), ("callbacks", "early_stopping", "monitor"), "accuracy")
    assert "must be train/loss, val/loss or val/accuracy" in refused(copy.deepcopy(config))
    config["callbacks"]["mine"] = {"_target_": "mypackage.Accuracy"}
    assert checked(config).callbacks["mine"] is not None


@pytest.mark.parametrize("name", ["early_stopping", "checkpoint"])
def test_the_lowest_accuracy_is_not_the_best(name: str) -> None:
    """Beside mode=min, which both have by default, the worst parameters would be kept."""
    config = put(plain("callbacks=early_stopping"), ("callbacks", name, "monitor"), "val/accuracy")
    assert (
        f"callbacks.{name}.monitor=val/accuracy is best where it is highest: say callbacks.{name}.mode=max"
        in refused(copy.deepcopy(config))
    )
    assert checked(put(config, ("callbacks", name, "mode"), "max")).callbacks[name] is not None


def test_a_users_own_schedule_names_its_numbers_as_it_likes() -> None:
    config = plain("scheduler=exponential")
    config["scheduler"] |= {"_target_": "mypackage.Schedule", "gamma": -1, "step_size": "small"}
    assert checked(config).scheduler is not None


def test_float64_holds_more() -> None:
    config = put(plain(), ("optimizer", "lr"), 1e300)
    assert checked(put(config, ("model", "dtype"), "float64")).optimizer.lr == 1e300


def test_values_are_shown_as_they_are_typed() -> None:
    assert shown([1, None, True, {"a": "b"}]) == "[1,null,true,{a:b}]"
    assert shown("x" * 100) == "x" * 57 + "..."


# --- what decides the numbers ---

INDIFFERENT = {"threads", "accelerator", "log_every_n_steps", "block_size", "profiler", "write_split"}
WORDS: dict[str, list[Any]] = {
    "spacing": ["even", "normal"],
    "activation": list(get_args(Activation)),
    "start": ["zeros", "uniform"],
    "dtype": ["float64"],
    "loss": ["sum"],
    "function": ["beale"],
    "point": [[0.5, 1]],
    "gradient": ["by_hand", "autograd"],
    "strategy": ["ddp", "auto"],
    "gradient_clip_algorithm": ["value"],
    "batch_size": [2],
    "features": [["a", "b"]],
    "leave_out": [["a", "b"]],
    "missing": ["mean"],
    "dates": ["parts"],
    "separator": ["tab"],
    "decimal": [","],
    "header": [False],
    "encoding": ["latin-1"],
    "weights": [[1.0] * 10],
    "train": [0.7, 2],
    "profiler": ["simple"],
    "accelerator": ["cpu", "gpu"],
    "stepper": ["compiled"],
}


def others(path: Path_, value: Any) -> list[Any]:
    """Other values for a key, some of which the schema allows."""
    key = path[-1]
    if key in WORDS:
        return [other for other in WORDS[key] if other != value]
    if value is None:
        return [0.5]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1]
    if isinstance(value, float):
        return [value / 2 + 0.27]
    if isinstance(value, list):
        return [[other, *value[1:]] for other in others(path, value[0])]
    return [f"{value}x", "mypackage.Other"]


# keys whose value cannot change alone: they say which other keys there are, or go together
FIXED = {
    *(
        ("data", "_target_"),
        ("data", "name"),
        ("model", "_target_"),
        ("optimizer", "_partial_"),
        ("optimizer", "rule"),
        ("scheduler", "_partial_"),
    ),
    *(("model=custom", "gradient"), ("trainer", "devices"), ("trainer", "strategy"), ("scheduler=none", "scheduler")),
    *(("model=surface", "loss"), ("loss=value", "_target_"), ("data=noise", "noise"), ("data=noise", "batch_size")),
}


def allowed(config: Plain) -> Config | None:
    try:
        return checked(config)
    except LabError:
        return None


@pytest.mark.parametrize("choice", CHOICES)
def test_the_fingerprint_changes_with_every_number_that_decides(choice: str) -> None:
    section = choice.partition("=")[0]
    before = checked(plain(choice)).fingerprint()
    for path, value in leaves(_composed(choice)[section], (section,)):
        if (section, path[-1]) in FIXED or (choice, path[-1]) in FIXED:
            continue
        configs = [allowed(put(plain(choice), path, other)) for other in others(path, value)]
        prints = [config.fingerprint() for config in configs if config is not None]
        assert prints, f"no other value was allowed for {path}"
        assert (before in prints) == (path[-1] in INDIFFERENT), path


def test_the_fingerprint_tells_options_apart() -> None:
    same = {
        "trainer=cpu",
        "trainer=gpu",
        "scheduler=none",
        "optimizer=sgd",
        "data=line",
        "model=linear",
        "loss=squares",
    }
    prints = {choice: checked(plain(choice)).fingerprint() for choice in CHOICES}
    assert {choice for choice, one in prints.items() if one == prints["trainer=default"]} == same | {"trainer=default"}
    assert prints["data=noise"] == prints["loss=value"] == prints["model=surface"]  # none is without the other
    assert len(set(prints.values())) == len(CHOICES) - len(same) - 2


def test_the_fingerprint_leaves_out_where_things_are_logged() -> None:
    before = checked(plain()).fingerprint()
    watched = plain("callbacks=[histograms,learning_rate,parameters]")
    watched["logger"] = {"mine": {"_target_": "mypackage.Logger", "folder": "x"}}
    assert checked(watched).fingerprint() == before
    bare = plain()
    bare["callbacks"] = {"progress_bar": None, "checkpoint": None}
    bare["ckpt_path"] = "somewhere.ckpt"
    assert checked(bare).fingerprint() == before


@pytest.mark.parametrize("name", ["early_stopping", "time_limit"])
def test_the_fingerprint_changes_with_what_may_stop_the_run(name: str) -> None:
    config = plain(f"callbacks={name}")
    with_it = checked(config).fingerprint()
    assert with_it != checked(plain()).fingerprint()
    key = {"early_stopping": "patience", "time_limit": "duration"}[name]
    changed = put(config, ("callbacks", name, key), {"patience": 3, "duration": "00:00:01:00"}[key])
    assert checked(changed).fingerprint() != with_it


def test_a_users_own_callback_may_change_the_run() -> None:
    config = plain()
    config["callbacks"]["mine"] = {"_target_": "mypackage.Swap", "at": 3}
    assert checked(config).fingerprint() != checked(plain()).fingerprint()


def test_only_the_seeds_that_are_used_decide() -> None:
    """`seed=3` is data.seed=3, data.shuffle_seed=3 and model.seed=3, however it is said."""
    words = ["data.seed=3", "data.shuffle_seed=3", "model.seed=3"]
    whole, parts = (check(compose(["logger=none", *said])).fingerprint() for said in (["seed=3"], words))
    assert whole == parts != checked(plain()).fingerprint()


@settings(max_examples=50, deadline=None)
@given(whole=st.integers(-(2**53) + 1, 2**53 - 1), positive=st.integers(1, 10**6))
def test_the_fingerprint_is_the_same_for_1_and_for_1_0(whole: int, positive: int) -> None:
    def fingerprint(kind: type) -> str:
        config = put(plain("optimizer=adam"), ("data", "slope"), kind(whole))
        put(config, ("optimizer", "betas"), [kind(0), 0.5])
        put(config, ("model", "values", "weight"), [[kind(whole)]])
        return checked(put(config, ("optimizer", "lr"), kind(positive))).fingerprint()

    assert fingerprint(int) == fingerprint(float)


@settings(max_examples=50, deadline=None)
@given(a=st.floats(1e-12, 1e12), b=st.floats(1e-12, 1e12))
def test_the_fingerprint_tells_any_two_rates_apart(a: float, b: float) -> None:
    assume(a != b)
    one, other = (checked(put(plain(), ("optimizer", "lr"), lr)).fingerprint() for lr in (a, b))
    assert one != other


@given(order=st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_fingerprint_does_not_depend_on_the_order_of_keys(order: random.Random) -> None:
    def shuffled(tree: Any) -> Any:
        if not isinstance(tree, dict):
            return tree
        keys = list(tree)
        order.shuffle(keys)
        return {key: shuffled(tree[key]) for key in keys}

    assert checked(shuffled(plain("optimizer=adam"))).fingerprint() == checked(plain("optimizer=adam")).fingerprint()


@pytest.mark.parametrize("choice", CHOICES)
def test_a_config_survives_json(choice: str) -> None:
    """Several processes of one run are handed the config as JSON."""
    config = checked(plain(choice))
    again = Config.model_validate(json.loads(config.model_dump_json(by_alias=True)))
    assert again == config
    assert again.fingerprint() == config.fingerprint()


def test_a_table_under_the_home_is_the_table_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    table, seen = tmp_path / "x.csv", list[tuple[str | None, tuple[int, int, int]]]()
    for text in ("a,b\n1,2\n", "a,b\n1,3\n" * 40):
        table.write_text(text)
        found = [
            check(compose(["data=table", f"data.path='{path}'", "data.target=b", "logger=none"]))
            for path in ("~/x.csv", table)
        ]
        states = [(config.content(), config.data.sizes()) for config in found]
        assert states[0] == states[1]
        seen.append(states[0])
    assert None not in (seen[0][0], seen[1][0])
    assert seen[0][0] != seen[1][0]
    assert found[0].fingerprint() != found[1].fingerprint()  # as of any two paths
