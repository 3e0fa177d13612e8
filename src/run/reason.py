"""How a run ended, in words. They are made here and last; whoever needs a fact takes it from the `Outcome`."""

from src.config.schema import Config
from src.engine.early_stopping import EarlyStopping
from src.engine.outcome import Outcome
from src.run.exact import rule_and_numbers
from src.theory import Answer, Method


def reason(outcome: Outcome, config: Config, answer: Answer | None, stopping: EarlyStopping | None) -> str:
    """Why a run ended, as a sentence, and what to do about it.

    Args:
        outcome: of the run.
        config: of the run.
        answer: what theory says of it.
        stopping: its early stopping.
    """
    step = outcome.step
    if outcome.cause == "start":
        if answer is not None and answer.surface is not None:
            return "the surface is not finite at the start: model.point is too far out"
        return "the loss is not finite at the start: the initial weights or the data are too large"
    if outcome.cause == "loss":
        return f"the loss after {step:,} steps is not finite or far above the first{_smaller_rate(config, answer)}"
    if outcome.cause == "time_limit":
        return f"the time limit was reached after {step:,} steps"
    if outcome.cause == "callback":
        return f"a callback ended it after {step:,} steps"
    if outcome.cause == "all_steps":
        outlook = answer.outlook(step) if answer and not config.ckpt_path else None
        return f"all {step:,} steps were taken{f'; {outlook}' if outlook else ''}"
    assert stopping is not None
    return f"stopped early after {step:,} steps: {_stopped(outcome, stopping)}"


def _smaller_rate(config: Config, answer: Answer | None) -> str:
    """What to do about a learning rate at which it diverges."""
    if answer and answer.too_fast:
        return f": gradient descent diverges: {answer.too_fast}"
    rule, numbers = rule_and_numbers(config)
    if numbers.get("maximize"):
        return ", as maximize=true asks for: this loss has no largest value"
    rate, method = config.optimizer.lr, Method.of(rule, numbers)
    if rate is not None and method is not None and answer is not None and answer.exact is not None:
        rate = min(rate, method.factor * answer.exact.critical_lr)
    return f"; try a learning rate below {rate:.4g}" if rate else ""


def _stopped(outcome: Outcome, rule: EarlyStopping) -> str:
    """What early stopping found, as Lightning's callback says it."""
    metric, best, sign = outcome.values["metric"], outcome.values["best"], "<" if rule.mode == "min" else ">"
    if outcome.cause == "threshold":
        return f"Stopping threshold reached: {rule.monitor} = {metric} {sign} {rule.stopping_threshold}"
    if outcome.cause == "patience":
        waited = f"did not improve in the last {int(outcome.values['waited'])} records"
        return f"Monitored metric {rule.monitor} {waited}. Best score: {best:.3f}"
    if rule.divergence_threshold is not None and metric == metric and abs(metric) != float("inf"):
        return f"Divergence threshold reached: {rule.monitor} = {metric}, past {rule.divergence_threshold}"
    return f"Monitored metric {rule.monitor} = {metric} is not finite. Previous best value was {best:.3f}"
