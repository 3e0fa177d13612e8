"""How a run ended, in words. They are made here and last; whoever needs a fact takes it from the `Outcome`."""

from src.config.schema import Config
from src.engine.early_stopping import EarlyStopping
from src.engine.outcome import Outcome
from src.run.exact import rule_and_numbers
from src.theory import Answer, Method

ABOVE = 1e4
"""Times the first loss is far above it; what converges with momentum swings less high."""


def reason(outcome: Outcome, config: Config, answer: Answer | None, stopping: EarlyStopping | None) -> str:
    """Why a run ended, as a sentence, and what to do about it.

    Args:
        outcome: of the run.
        config: of the run.
        answer: what theory says of it.
        stopping: its early stopping.
    """
    step, steps = outcome.step, "1 step" if outcome.step == 1 else f"{outcome.step:,} steps"
    if outcome.cause == "start":
        if answer is not None and answer.surface is not None:
            return "the surface is not finite at the start: model.point is too far out"
        blame = f", or {own} computes what has no value" if (own := _own(config)) else ""
        return f"the loss is not finite at the start: the initial weights or the data are too large{blame}"
    if outcome.cause == "loss":
        before, own = outcome.values.get("before"), _own(config, stepped=True)
        if before is not None and own:
            which = f"the loss after {steps} is not finite, and the one before it was {before:.4g}"
            cause = f"{own} may divide by 0, or take a root or logarithm of what is not positive"
            return f"{which}: {cause}{_smaller_rate(config, answer)}"
        return f"the loss after {steps} is {_too_large(config)}{_smaller_rate(config, answer)}"
    if outcome.cause == "cut":
        going, racing = (int(outcome.values[name]) for name in ("on", "of"))
        return f"cut at step {step:,}: {going:,} of {racing:,} settings went on"
    if outcome.cause == "time_limit":
        return f"the time limit was reached after {steps}"
    if outcome.cause == "callback":
        return f"a callback ended it after {steps}"
    if outcome.cause == "all_steps":
        outlook = answer.outlook(step) if answer and not config.ckpt_path else None
        return f"{'the one step was' if step == 1 else f'all {steps} were'} taken{f'; {outlook}' if outlook else ''}"
    assert stopping is not None
    return f"stopped early after {steps}: {_stopped(outcome, stopping)}"


def _own(config: Config, stepped: bool = False) -> str:
    """What of the forward pass, or of a step, is a class of the user's own; empty where nothing is."""
    parts = {"model": config.model.target_, "loss": config.loss.target_}
    if stepped and not config.optimizer.target_.startswith("torch."):
        parts["optimizer"] = config.optimizer.target_
    return " or ".join(f"{part}._target_={path}" for part, path in parts.items() if not path.startswith("src."))


def _too_large(config: Config) -> str:
    """What a loss is that has diverged."""
    factor = config.trainer.divergence_factor
    if factor is None:
        return "not finite"
    above = "far above the first" if factor >= ABOVE else f"too large by trainer.divergence_factor={factor:g}"
    return f"not finite or {above}"


def _smaller_rate(config: Config, answer: Answer | None) -> str:
    """What to do about a learning rate at which it diverges; a number to stay below only where that is enough."""
    rule, numbers = rule_and_numbers(config)
    method, batches = Method.of(rule, numbers), config.data.batch_size != "full"
    if answer and answer.too_fast:
        more = ", and mini-batches may need a smaller one" if batches and method and not method.stuck else ""
        if answer.exact is not None and not answer.exact.quadratic:
            more = ", and far from it a smaller one may be needed"
        return f": gradient descent diverges: {answer.too_fast}{more}"
    if numbers.get("maximize"):
        return ", as maximize=true asks for: this loss has no largest value"
    rate = config.optimizer.lr
    if rate is None:
        return ""
    if method is not None and answer is not None and answer.exact is not None and answer.exact.quadratic:
        critical = method.factor * answer.exact.critical_lr
        # the Hessians of batches' sums add up to that of all rows, so none is larger; of means some are
        enough = not batches or (config.model.loss == "sum" and not method.momentum)
        factor = config.trainer.divergence_factor  # momentum swings above the first loss before it converges
        enough &= not method.momentum or factor is None or factor >= ABOVE
        if critical < rate and enough and config.trainer.zero_grad_every_n_steps == 1:
            return f"; try a learning rate below {critical:.4g}"
    return f"; try a learning rate far below {rate:.4g}"


def _stopped(outcome: Outcome, rule: EarlyStopping) -> str:
    """What early stopping found, as Lightning's callback says it."""
    metric, best, sign = outcome.values["metric"], outcome.values["best"], "<" if rule.mode == "min" else ">"
    if outcome.cause == "threshold":
        return f"Stopping threshold reached: {rule.monitor} = {metric} {sign} {rule.stopping_threshold}"
    if outcome.cause == "patience":
        waited = f"did not improve in the last {int(outcome.values['waited'])} records"
        return f"Monitored metric {rule.monitor} {waited}. Best score: {best:.4g}"
    if rule.divergence_threshold is not None and metric == metric and abs(metric) != float("inf"):
        return f"Divergence threshold reached: {rule.monitor} = {metric}, past {rule.divergence_threshold}"
    return f"Monitored metric {rule.monitor} = {metric} is not finite. Previous best value was {best:.4g}"
