"""The head of a picture: how its values came about."""

from __future__ import annotations

from addnn_spec.runtime.run_record import RunRecord, sketched


def facts(run: RunRecord) -> list[tuple[str, str]]:
    """Return what a reader must know to repeat a run, by name; empty where there is no such
    thing."""
    network, data, options = run.network, run.data, run.options
    fresh = network.weights == "as initialised" and network.parameters > 0
    macs = "" if network.macs is None else f", {network.macs:,} MACs a sample"
    found = [
        ("state", "" if run.complete else "unfinished"),
        ("m", f"{run.m:,} samples of each split"),
        ("seed", str(options.seed)),
        ("normalisation", options.normalisation),
        ("metric, ties", f"{options.metric}, {options.ties}"),
        ("sketch", "" if options.sketch is None else sketched(run)),
        ("reduction", f"{options.reduction}; sequences: {options.sequence}"),
        ("mode", f"{options.mode}, batches of {options.batch}"),
        ("precision", f"{options.precision}, on {options.device}"),
        ("preprocessing", "; ".join(data.preprocessing) or "none"),
        ("classes", f"{len(data.classes)}" if data.classes else ""),
        ("network", f"{network.parameters:,} parameters{macs}; read from {network.origin}"),
        ("spec", " ".join((network.spec, *network.settings)).strip()),
        ("spec SHA-256", network.spec_sha256),
        ("weights", network.weights + (", none were given" if fresh else "")),
        ("weights SHA-256", network.weights_sha256),
        ("train", f"{data.train.source}, {data.train.m:,} of {data.train.available:,}"),
        ("train SHA-256", data.train.sha256),
    ]
    if data.test is not None:
        found.append(("test", f"{data.test.source}, {data.test.m:,} of {data.test.available:,}"))
        found.append(("test SHA-256", data.test.sha256))
    chance = ", ".join(f"{split} {value:.4f}" for split, value in run.chance.items())
    versions = ", ".join(f"{name} {version}" for name, version in sorted(run.versions.items()))
    return [*found, ("by chance", chance), ("versions", versions)]
