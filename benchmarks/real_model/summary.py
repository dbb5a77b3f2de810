"""What a run took, from its ledger: tokens a second, memory, the share of encryption, bytes.

Not for: quality (``evaluation.json``).
"""

from __future__ import annotations

from benchmarks.real_model.run import Ran
from crossward.evaluation.replay import open_run
from crossward.ledger.events import Accepted, Dispatched, Version
from crossward.report.cost import latency, seconds, typical_share

Costs = dict[str, float | None]


def costs(ran: Ran) -> Costs:
    """Figures by name; seconds are wall time unless their name says otherwise."""
    run = open_run(ran.folder)
    train, data = run.config.train, run.config.data
    updates = [event for event in run.events if isinstance(event, Accepted)]
    versions = [event for event in run.events if isinstance(event, Version)]
    sent = [event for event in run.events if isinstance(event, Dispatched)]
    step = train.batch_size * train.accumulation * data.max_tokens
    trained = sum((update.steps or run.config.schedule.local_steps) * step for update in updates)
    in_loop = sum(update.train_seconds for update in updates)
    at = [event.time for event in versions]
    began = sent[0].time if sent else at[0]
    sealing = sum(seconds(made) for made in versions)
    opened = [found.seconds for made in versions if (found := latency(made)) is not None]
    return {
        "wall_seconds": ran.seconds,
        "versions": len(versions),
        "seconds_to_last_version": at[-1] - began,
        "tokens_trained_in_versions": trained,
        "tokens_per_second_per_process": trained / in_loop,
        "tokens_per_second_together": trained / (at[-1] - began),
        "peak_mib_largest_process": ran.process_mib,
        "peak_mib_together": ran.together_mib,
        "encryption_seconds_of_work": sealing,
        "encryption_by_training_seconds": sealing / in_loop,
        "encryption_share_of_a_version": typical_share(versions),
        "opening_seconds_per_version": sum(opened) / len(opened) if opened else None,
        "mb_up_per_update": sum(update.bytes for update in updates) / len(updates) / 1e6,
        "mb_up_in_all": sum(update.bytes for update in updates) / 1e6,
        "mb_down_in_all": sum(task.bytes for task in sent) / 1e6,
    }
