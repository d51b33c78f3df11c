"""What to expect of a model on this machine, as sentences and as facts for `--json`."""

from __future__ import annotations

from app.core.models.fit import GpuFit, SpeedRange
from app.core.models.importing import MemoryCompared


def sentences(compared: MemoryCompared) -> list[str]:
    longest = max((fit.context_length for fit in compared.fits if fit.fits), default=0)
    fit = f"fits with a context of up to {longest:,} tokens" if longest else "does NOT fit into it"
    said = [f"{compared.free_bytes / 1e9:.1f} GB of memory are free: the model {fit}"]
    if compared.speed is not None:
        said.append(_speed(compared.speed))
    if compared.gpu is not None:
        said.append(_gpu(compared.gpu))
    return said


def facts(compared: MemoryCompared) -> dict[str, object]:
    speed, gpu = compared.speed, compared.gpu
    return {
        "free_memory_bytes": compared.free_bytes,
        "contexts": [
            {"context_length": fit.context_length, "needed_bytes": fit.needed_bytes, "fits": fit.fits}
            for fit in compared.fits
        ],
        "memory_bytes_per_second": round(speed.read_bytes_per_second) if speed else None,
        "tokens_per_second": [round(speed.low, 2), round(speed.high, 2)] if speed else None,
        "gpus": [gpu.name for gpu in gpu.gpus] if gpu else None,
        "gpu_layers": gpu.layers if gpu else None,
        "layers": gpu.of_layers if gpu else None,
    }


def _speed(speed: SpeedRange) -> str:
    memory = f"memory is read at {speed.read_bytes_per_second / 1e9:.0f} GB a second"
    return f"{memory}: expect {_rate(speed.low)} to {_rate(speed.high)} tokens a second from the processor"


def _gpu(gpu: GpuFit) -> str:
    if not gpu.gpus:
        return "there is no GPU that the engine can use"
    names = ", ".join(one.name for one in gpu.gpus)
    context = f"with a context of {gpu.context_length:,} tokens"
    return f"{gpu.layers} of the {gpu.of_layers} layers fit into the free memory of {names} {context}"


def _rate(tokens: float) -> str:
    return f"{tokens:.1f}" if tokens < 10 else f"{tokens:,.0f}"
