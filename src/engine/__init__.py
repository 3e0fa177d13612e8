"""Training, for one member or thousands: steps, control, and what is kept. It knows neither Lightning nor Hydra.

`Loop` is control: blocks, divergence, validation, stopping, the best state, who leaves. It drives a `Stepper`: a
gradient times an update. Who has ended is handed to the loop's `leave`, which calls `finish` and has the final losses.
A notebook needs ten lines, after `loop.start()`:

    for block in Spans(lambda: loop.step, intervals.max_steps, intervals.max_steps, 100, [intervals.val_every]):
        loop.advance(block)
        if not loop.over and loop.step % intervals.val_every == 0:
            loop.validate()
            loop.decide()
        if loop.over:
            break
    else:
        loop.leave_with_all_steps()
"""
