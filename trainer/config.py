"""Configurations of the recipes: one flat YAML file each, checked completely before anything heavy is imported.

Paths are relative to the folder in which the command runs.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from app.core.errors import InputError
from trainer.config_checks import fault_of_all, fault_of_mfpt, fault_of_mpeft
from trainer.presets import Recipe, read_preset

MAX_CONFIG_BYTES = 256 * 1024

PathText = Annotated[str, Meta(min_length=1)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
TokenText = Annotated[str, Meta(min_length=1, max_length=100)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Steps = Annotated[int, Meta(ge=0, le=10_000_000)]
Characters = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Format = Literal["auto", "alpaca", "messages", "sharegpt", "completion", "items", "text"]
Optimizer = Literal["adamw", "adamw_8bit", "paged_adamw_8bit", "adamw_bf16"]


class TrainingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What both recipes have in common."""

    preset: Name | None = None
    """The preset whose values hold for every key that the file does not give (see `trainer.presets`)."""

    # Data
    data: Annotated[tuple[PathText, ...], Meta(min_length=1)]
    """Training files: .jsonl with one record a line, or .txt."""
    weights: tuple[Annotated[float, Meta(gt=0, le=1000)], ...] = ()
    """How often an epoch reads the records of each file of `data`: 2 is twice, 0.5 a random half; none is once each."""
    balance_languages: bool = False
    """Japanese and English are read equally often: the records of the rarer language are repeated."""
    formats: tuple[Format, ...] = ()
    """How the records of each file of `data` are written, or one word for all; none is `auto` for each."""
    held_out: tuple[PathText, ...] = ()
    """.jsonl files whose `question`s must not occur in the training data."""
    leakage_tasks: PathText | None = None
    """A folder of benchmark data whose questions must not occur in the training data."""
    allow_leakage: bool = False
    """Train although evaluation questions are in the data; the run record says so."""

    # Run
    output: PathText
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    deterministic: bool = False
    """Only kernels that give the same bits each time; slower on a GPU."""
    epochs: Annotated[float, Meta(gt=0, le=1000)] = 1.0
    max_steps: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    """Optimizer steps after which the run ends, whatever `epochs` says; the schedule ends there too."""
    batch_size: Annotated[int, Meta(ge=1, le=4096)] = 8
    """Sequences at once on one device; the optimizer sees batch_size x gradient_accumulation (x devices)."""
    gradient_accumulation: Annotated[int, Meta(ge=1, le=4096)] = 1

    # Optimization
    learning_rate: Annotated[float, Meta(gt=0, le=0.1)]
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    warmup: Annotated[float, Meta(ge=0, lt=1)] = 0.03
    """Fraction of all steps in which the learning rate rises from zero."""
    weight_decay: Annotated[float, Meta(ge=0, le=1)] = 0.0
    adam_beta2: Annotated[float, Meta(ge=0.8, lt=1)] = 0.999
    max_gradient_norm: Annotated[float, Meta(gt=0, le=100)] = 1.0
    optimizer: Optimizer = "adamw"
    """`adamw`: both moments in float32, 8 bytes a trained parameter. `adamw_8bit` and `paged_adamw_8bit`: 2 bytes
    (arXiv 2110.02861; bitsandbytes), the latter moved to the host's memory when the GPU's is full. `adamw_bf16`, for
    mfpt: weights, gradients and moments in bfloat16, 8 bytes in all; the new weight is rounded at random in proportion,
    since AdamW's steps are smaller than half the distance of two bfloat16 numbers and would be lost."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the computation. Trained weights stay in float32, except with `adamw_bf16`; a base that is not itself trained
    is held in this type."""
    activation_checkpointing: bool = False
    """Activations of a layer are computed again in the backward pass instead of kept (arXiv 1604.06174)."""
    attention: Literal["sdpa", "eager"] = "sdpa"
    packing: bool = False
    """Several records share a sequence, without seeing one another."""
    neftune_alpha: Annotated[float, Meta(gt=0, le=100)] | None = None
    """Strength of the noise on embeddings (arXiv 2310.05914)."""

    # Watching
    log_every: Annotated[int, Meta(ge=1, le=100_000)] = 10
    """Steps between two losses of the run record."""
    validation_share: Annotated[float, Meta(ge=0, le=0.5)] = 0.0
    """Fraction of the records that is held back to measure the loss on."""
    evaluate_every: Steps = 0
    """Steps between two evaluations; 0: at the end of each epoch."""
    early_stopping: Annotated[int, Meta(ge=1, le=1000)] | None = None
    """The run ends after this many evaluations without a lower validation loss."""
    save_every: Steps = 0
    """Steps between two checkpoints to resume from; 0: only the result is written."""
    tensorboard: bool = True
    """Write TensorBoard's event file, if the package tensorboard is installed."""
    evaluation_task: Name | None = None
    """A benchmark that a sample of is asked at every evaluation."""
    evaluation_data: PathText | None = None
    evaluation_language: Literal["ja", "en"] = "ja"
    evaluation_items: Annotated[int, Meta(ge=1, le=100_000)] = 100


class MfptConfig(TrainingConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Medical full-parameter training: of the checkpoint `base`, or of a new Qwen2 model of the given shape."""

    normalise: bool = False
    """Unicode NFKC: full-width letters and half-width kana become the usual ones."""
    deduplicate: Literal["off", "exact", "near"] = "off"
    join_lines: bool = False
    """Lines that a page's width broke (text taken from PDF) are joined to paragraphs."""
    min_characters: Characters = 0
    """Shorter documents are left out, and counted."""
    max_characters: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    """Longer documents are left out, and counted."""
    block_length: Annotated[int, Meta(ge=8, le=1_048_576)] = 1024
    """Tokens in one training sequence; documents are joined and cut into sequences of this length."""

    base: PathText | None = None
    vocabulary_size: Annotated[int, Meta(ge=300, le=262_144)] | None = None
    hidden_size: Annotated[int, Meta(ge=32, le=16_384)] | None = None
    layers: Annotated[int, Meta(ge=1, le=200)] | None = None
    heads: Annotated[int, Meta(ge=1, le=256)] | None = None
    kv_heads: Annotated[int, Meta(ge=1, le=256)] | None = None
    intermediate_size: Annotated[int, Meta(ge=32, le=131_072)] | None = None
    context_length: Annotated[int, Meta(ge=32, le=1_048_576)] | None = None


class MpeftConfig(TrainingConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Medical parameter-efficient fine-tuning: a LoRA adapter on the checkpoint `base`."""

    base: PathText
    rank: Annotated[int, Meta(ge=1, le=1024)] = 16
    alpha: Annotated[float, Meta(gt=0, le=4096)] = 32
    """The update is scaled by alpha / rank."""
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    rslora: bool = False
    """Scale by alpha / sqrt(rank) instead (arXiv 2312.03732)."""
    dora: bool = False
    """Learn the length of each row of a matrix too (arXiv 2402.09353); slower."""
    target_modules: Literal["all-linear"] | Annotated[tuple[Name, ...], Meta(min_length=1, max_length=100)] = (
        "all-linear"
    )
    train_embeddings: bool = False
    """Train the embeddings and the output matrix whole and save them with the adapter."""
    added_tokens: Annotated[tuple[TokenText, ...], Meta(max_length=10_000)] = ()
    """Words or marks that become tokens of their own, whose rows are trained too (`trainer.added_tokens`)."""
    lora_plus_ratio: Annotated[float, Meta(ge=1, le=1000)] | None = None
    """The learning rate of LoRA's second factors is this many times `learning_rate` (arXiv 2402.12354)."""
    quantization: Literal["nf4"] | None = None
    """Hold the base in 4 bits (QLoRA, arXiv 2305.14314; bitsandbytes)."""
    double_quantization: bool = True
    """With `quantization`: its scales are quantized too, which saves 0.37 bits a weight."""
    max_length: Annotated[int, Meta(ge=8, le=1_048_576)] = 1024
    """Tokens; a longer conversation ends after the last answer that fits."""
    template: Name | None = None
    """The evaluation's template that five-choice items (`items`) are put in words with."""


Config = TypeVar("Config", bound=TrainingConfig)


def searches(config: TrainingConfig) -> bool:
    """Whether there is a question that the training data is searched for."""
    return bool(config.held_out or config.leakage_tasks or config.evaluation_data)


def read_config(path: Path, kind: type[Config], changes: Sequence[str] = ()) -> Config:
    """Read and check a configuration; `changes` ("key=value", as of `--set`) come after the file.

    Raises InputError with the key at fault.
    """
    return check_config(_changed(path, changes), kind, str(path))


def read_either(path: Path, changes: Sequence[str] = (), recipe: Recipe | None = None) -> MfptConfig | MpeftConfig:
    """Like `read_config`, for the recipe that is named, or else the one that the keys belong to."""
    raw = _changed(path, changes)
    if (recipe or _recipe_of(raw, str(path))) == "mfpt":
        return check_config(raw, MfptConfig, str(path))
    return check_config(raw, MpeftConfig, str(path))


def check_config(raw: dict[str, Any], kind: type[Config], where: str) -> Config:
    """The keys and values of a file as `kind`; `where` names the file in errors."""
    _refuse_unknown(raw, _keys(kind), where)
    if raw.get("preset") is not None:
        preset = read_preset(raw["preset"])
        if RECIPES[preset.recipe] is not kind:
            raise InputError(f"{where}: the preset {raw['preset']} is for inro-train {preset.recipe}.")
        raw = {**preset.keys, **raw}
    if isinstance(raw.get("formats"), str) and isinstance(raw.get("data"), list):
        raw = {**raw, "formats": [raw["formats"]] * len(raw["data"])}
    if raw.get("deduplicate") is False:  # what YAML makes of off
        raw = {**raw, "deduplicate": "off"}
    try:
        # Not strict: YAML reads 1e-4 (without a dot) as text, and everybody writes it so.
        config = msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: {str(error).replace(' - at `$.', ' at `')}.") from error
    if fault := _fault(config):
        raise InputError(f"{where}: {fault}.")
    return config


def _keys(kind: type[TrainingConfig]) -> list[str]:
    return [field.name for field in msgspec.structs.fields(kind)]


def _refuse_unknown(raw: dict[str, Any], known: Sequence[str], where: str) -> None:
    for key in raw:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise InputError(f"{where}: there is no key {key}.{hint}")


def _fault(config: TrainingConfig) -> str | None:
    """What several keys together say wrong, as the end of a sentence."""
    if fault := fault_of_all(config):
        return fault
    if isinstance(config, MfptConfig):
        return fault_of_mfpt(config)
    return fault_of_mpeft(config) if isinstance(config, MpeftConfig) else None


def _changed(path: Path, changes: Sequence[str]) -> dict[str, Any]:
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise InputError(f"{path} is larger than a configuration can be.")
    text = path.read_bytes()
    raw: dict[str, Any] = _yaml(text, dict[str, Any], f"{path} is not a flat YAML configuration")
    _refuse_repeated(text, path)
    for change in changes:
        key, sign, value = change.partition("=")
        if not sign or not key:
            raise InputError(f"--set {change}: write it as key=value.")
        raw[key] = _yaml(value.encode(), Any, f"--set {change}: the value is not YAML")
    return raw


def _refuse_repeated(text: bytes, path: Path) -> None:
    """YAML lets a later line take the place of an earlier one without a word."""
    import yaml

    document = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(document, yaml.MappingNode)
    counts = Counter(key.value for key, _ in document.value)
    if repeated := [key for key, count in counts.items() if count > 1]:
        raise InputError(f"{path} gives {repeated[0]} twice; leave one of the two out.")


def _yaml(text: bytes, kind: Any, fault: str) -> Any:
    try:
        return msgspec.yaml.decode(text, type=kind)
    except ImportError as error:
        raise InputError("reading a configuration needs PyYAML; install inro with its extra “train”.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{fault}: {' '.join(str(error).split())}.") from error


def _recipe_of(raw: dict[str, Any], where: str) -> Recipe:
    """That of the preset, or the one that alone has some of the keys. Raises InputError if both could be meant."""
    if raw.get("preset") is not None:
        return read_preset(raw["preset"]).recipe
    keys = {name: set(_keys(kind)) for name, kind in RECIPES.items()}
    full, adapter = raw.keys() & (keys["mfpt"] - keys["mpeft"]), raw.keys() & (keys["mpeft"] - keys["mfpt"])
    if bool(full) == bool(adapter):
        # A misspelt key may be what tells the recipes apart.
        _refuse_unknown(raw, sorted(keys["mfpt"] | keys["mpeft"]), where)
        raise InputError(f"{where} could be meant for mfpt or mpeft; say which with --recipe.")
    return "mfpt" if full else "mpeft"


RECIPES: dict[Recipe, type[MfptConfig | MpeftConfig]] = {"mfpt": MfptConfig, "mpeft": MpeftConfig}
