from __future__ import annotations

import importlib.util
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders

from app.core.errors import InputError
from tests.tiny_models import CHATML
from tests.tiny_tokenizers import (
    GEMMA_CHAT,
    GEMMA_NORMALIZER,
    GEMMA_PRE_TOKENIZER,
    LLAMA2_CHAT,
    LLAMA2_NORMALIZER,
    LLAMA3_CHAT,
    MISTRAL_CHAT,
    PLAIN_CHAT,
    QWEN2,
    save_byte_level,
    save_sentencepiece_json,
)
from trainer.labels import IGNORED, Example, Labelled, Labeller

Messages = list[dict[str, str]]

QWEN3_CHAT = (  # in the form of Qwen3's: only the last answer is written with its thinking, be there none
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' and loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{ message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
THINKING_CHAT = QWEN3_CHAT.replace("assistant\n' }}{% endif %}", "assistant\n<think>\n' }}{% endif %}")
PHI3_CHAT = (  # ends a conversation, besides its last turn
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)

LLAMA3_TOKENS = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
CHATML_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
PHI3_TOKENS = ("<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>")


def _llama3(folder: Path) -> None:
    # As in the base checkpoints: the end of a turn is a special token, and not the end of the text.
    save_byte_level(folder, special=LLAMA3_TOKENS, bos=LLAMA3_TOKENS[0], eos=LLAMA3_TOKENS[1], template=LLAMA3_CHAT)


def _chatml(template: str) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        save_byte_level(folder, pattern=QWEN2, special=CHATML_TOKENS, eos="<|im_end|>", template=template)

    return save


def _phi3(folder: Path) -> None:
    save_byte_level(folder, special=PHI3_TOKENS, eos="<|endoftext|>", template=PHI3_CHAT)


def _llama2(folder: Path) -> None:
    save_sentencepiece_json(folder, normalizer=LLAMA2_NORMALIZER, template=LLAMA2_CHAT)


def _mistral(folder: Path) -> None:
    save_sentencepiece_json(folder, normalizer=LLAMA2_NORMALIZER, control=("[INST]", "[/INST]"), template=MISTRAL_CHAT)


def _gemma(folder: Path) -> None:
    save_sentencepiece_json(
        folder,
        normalizer=GEMMA_NORMALIZER,
        pre_tokenizer=GEMMA_PRE_TOKENIZER,
        control=("<start_of_turn>", "<end_of_turn>"),
        template=GEMMA_CHAT,
    )


def _alpaca(folder: Path) -> None:
    save_byte_level(folder, eos="<|end_of_text|>", template=PLAIN_CHAT)


SAVES = {
    "llama3": _llama3,
    "qwen2": _chatml(CHATML),
    "qwen3": _chatml(QWEN3_CHAT),
    "thinking": _chatml(THINKING_CHAT),
    "phi3": _phi3,
    "llama2": _llama2,
    "mistral": _mistral,
    "gemma": _gemma,
    "alpaca": _alpaca,
}

END = {"llama3": "<|eot_id|>", "phi3": "<|end|>", "llama2": "</s>", "mistral": "</s>", "gemma": "<end_of_turn>"}
END |= dict.fromkeys(("qwen2", "qwen3", "thinking"), "<|im_end|>") | {"alpaca": "<|end_of_text|>"}
BEFORE = {"qwen3": "<think>\n\n</think>\n\n", "thinking": "\n</think>\n\n", "llama2": " ", "mistral": " "}
"""What the template lets the model say before an answer."""
ONE_BY_ONE = ("qwen3", "thinking", "phi3")
"""Templates that write an answer otherwise once another question follows."""


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """The tokenizer of a family, with its template."""
    made: dict[str, Any] = {}

    def of(family: str) -> Any:
        if family not in made:
            folder = tmp_path_factory.mktemp(family)
            SAVES[family](folder)
            made[family] = transformers.PreTrainedTokenizerFast.from_pretrained(str(folder))
            sentencepiece = family in ("llama2", "mistral", "gemma")
            made[family].backend_tokenizer.decoder = (
                decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
                if sentencepiece
                else decoders.ByteLevel()
            )
        return made[family]

    return of


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def assistant(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


def learned(example: Example, tokenizer: Any) -> str:
    return str(tokenizer.decode([label for label in example.labels if label != IGNORED]))


def labelled(messages: Messages, tokenizer: Any, max_length: int = 4096) -> Labelled:
    found = Labeller(tokenizer, max_length)(messages)
    for example in found.examples:
        assert len(example.input_ids) == len(example.labels) <= max_length
        pairs = zip(example.input_ids, example.labels, strict=True)
        assert all(label in (IGNORED, token) for token, label in pairs)
    return found


def example_of(messages: Messages, tokenizer: Any, max_length: int = 4096) -> Example:
    (example,) = labelled(messages, tokenizer, max_length).examples
    return example


def rendered(messages: Messages, tokenizer: Any, *, prompt: bool) -> list[int]:
    return list(tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False, add_generation_prompt=prompt))


@pytest.mark.parametrize("family", SAVES)
def test_the_answer_and_the_token_that_ends_it_are_learned_after_the_prompt_that_is_asked_with(
    tokenizers: Callable[[str], Any], family: str
) -> None:
    tokenizer = tokenizers(family)
    question, answer = user("痛風の原因は何ですか。"), assistant("Urate crystals: 尿酸です。")

    example = example_of([question, answer], tokenizer)

    prompt, whole = rendered([question], tokenizer, prompt=True), rendered([question, answer], tokenizer, prompt=False)
    assert example.input_ids[: len(prompt)] == prompt
    assert example.labels[: len(prompt)] == [IGNORED] * len(prompt)
    assert tokenizer.decode(example.input_ids) == tokenizer.decode(whole)
    (end,) = tokenizer.convert_tokens_to_ids([END[family]])
    said = [label for label in example.labels[len(prompt) :] if label != IGNORED]
    assert said[-1] == end
    assert said.count(end) == 1
    wanted = tokenizer.decode(rendered([question], tokenizer, prompt=True))
    assert (
        tokenizer.decode(example.input_ids[: len(prompt) + len(said)]).removeprefix(wanted).strip()
        == (BEFORE.get(family, "") + answer["content"] + (" " if family == "llama2" else "") + END[family]).strip()
    )


@pytest.mark.parametrize("family", SAVES)
def test_every_answer_of_a_conversation_is_learned_once(tokenizers: Callable[[str], Any], family: str) -> None:
    tokenizer = tokenizers(family)
    messages = [user("a?"), assistant("first"), user("b?"), assistant("second"), user("c?"), assistant("third")]

    examples = labelled(messages, tokenizer).examples

    assert len(examples) == (3 if family in ONE_BY_ONE else 1)
    texts = [learned(example, tokenizer) for example in examples]
    for answer in ("first", "second", "third"):
        assert sum(text.count(answer) for text in texts) == 1
        assert sum(f"{answer}{END[family]}" in text.replace(" ", "") for text in texts) == 1
    # What precedes the last answer is what a model would be asked with: the earlier answers are in it.
    prompt = rendered(messages[:-1], tokenizer, prompt=True)
    assert examples[-1].input_ids[: len(prompt)] == prompt


@pytest.mark.parametrize("family", ["llama2", "mistral", "gemma", "alpaca"])
def test_a_system_turn_that_the_template_refuses_goes_into_the_question_as_when_it_is_asked(
    tokenizers: Callable[[str], Any], family: str
) -> None:
    tokenizer = tokenizers(family)
    system = {"role": "system", "content": "Answer in English."}
    if family == "alpaca":  # which would take it for an answer
        tokenizer = deepcopy(tokenizer)
        refusal = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        tokenizer.chat_template = refusal + tokenizer.chat_template
    found = example_of([system, user("痛風？"), assistant("Urate.")], tokenizer)
    assert found == example_of([user("Answer in English.\n\n痛風？"), assistant("Urate.")], tokenizer)


@pytest.mark.parametrize("family", ["llama3", "qwen2", "qwen3"])
def test_a_system_turn_is_not_learned(tokenizers: Callable[[str], Any], family: str) -> None:
    tokenizer = tokenizers(family)
    system = {"role": "system", "content": "日本語で答えてください。"}
    example = example_of([system, user("痛風？"), assistant("尿酸")], tokenizer)
    assert system["content"] in tokenizer.decode(example.input_ids)
    assert learned(example, tokenizer).endswith("尿酸" + END[family])
    assert system["content"] not in learned(example, tokenizer)


def test_a_template_that_refuses_a_conversation_in_any_form_is_named_as_the_reason(
    tokenizers: Callable[[str], Any],
) -> None:
    refusing = deepcopy(tokenizers("qwen2"))
    refusing.chat_template = "{{ raise_exception('Only for embeddings') }}"
    with pytest.raises(InputError, match="Only for embeddings"):
        labelled([user("a"), assistant("b")], refusing)


def test_text_that_looks_like_a_control_token_is_words_as_when_it_is_asked(tokenizers: Callable[[str], Any]) -> None:
    tokenizer = tokenizers("qwen2")
    example = example_of([user("what is <|im_end|>?"), assistant("a <|im_start|> or <|im_end|> token")], tokenizer)
    (end,) = tokenizer.convert_tokens_to_ids(["<|im_end|>"])
    assert example.input_ids.count(end) == 2
    assert learned(example, tokenizer) == "a < |im_start|> or < |im_end|> token<|im_end|>"


text = st.text(max_size=20).filter(lambda value: "<|" not in value)


@given(st.lists(st.tuples(text, text), min_size=1, max_size=4))
def test_whatever_the_answers_are_each_is_learned_whole(tokenizer: Any, turns: list[tuple[str, str]]) -> None:
    messages = [message for question, answer in turns for message in (user(question), assistant(answer))]
    examples = labelled(messages, tokenizer).examples
    said = "".join(learned(example, tokenizer) for example in examples)
    # The tokenizer composes (NFC), and so does the application.
    plain = tokenizer("".join(answer + "<|im_end|>" for _, answer in turns), add_special_tokens=False)
    assert said == tokenizer.decode(plain["input_ids"])


def test_an_answer_that_shares_a_token_with_its_prompt_follows_the_prompts_own_tokens(
    tokenizers: Callable[[str], Any],
) -> None:
    tokenizer = tokenizers("qwen2")
    messages = [user("a"), assistant("\n\nb")]
    prompt = rendered(messages[:1], tokenizer, prompt=True)
    assert rendered(messages, tokenizer, prompt=False)[: len(prompt)] != prompt

    example = example_of(messages, tokenizer)

    assert example.input_ids[: len(prompt)] == prompt
    assert learned(example, tokenizer) == "\n\nb<|im_end|>"


def test_a_long_conversation_ends_after_the_last_answer_that_fits_and_the_others_are_counted(tokenizer: Any) -> None:
    messages = [user("a"), assistant("first"), user("b"), assistant("second"), user("c"), assistant("third")]
    two_answers = len(example_of(messages[:4], tokenizer).input_ids)
    found = labelled(messages, tokenizer, two_answers)
    assert [len(example.input_ids) for example in found.examples] == [two_answers]
    assert learned(found.examples[0], tokenizer) == "first<|im_end|>second<|im_end|>"
    assert found.left_out == 1


def test_a_conversation_whose_first_answer_does_not_fit_gives_nothing_to_learn_and_says_so(tokenizer: Any) -> None:
    assert labelled([user("a"), assistant("much too long"), user("b"), assistant("c")], tokenizer, 8) == Labelled((), 2)


def test_a_template_that_changes_earlier_turns_gives_an_example_for_each_answer(tokenizer: Any) -> None:
    changing = deepcopy(tokenizer)
    changing.chat_template = (
        "{% for message in messages %}{% if message['role'] == 'user' %}<|im_start|>{{ loop.revindex > 2 }}"
        "{{ message['content'] }}<|im_end|>{% else %}<|im_start|>{{ message['content'] }}<|im_end|>{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>{% endif %}"
    )
    examples = labelled([user("a"), assistant("b"), user("c"), assistant("d")], changing).examples
    assert [learned(example, tokenizer) for example in examples] == ["b<|im_end|>", "d<|im_end|>"]


def test_a_template_whose_prompt_is_not_what_stands_before_an_answer_is_refused(tokenizer: Any) -> None:
    # In the form of R1's: the model is asked to think first, and answers are written without.
    changing = deepcopy(tokenizer)
    changing.chat_template = CHATML.replace("assistant\n{% endif", "assistant\n<think>\n{% endif")
    with pytest.raises(InputError, match="not prefix-stable") as refused:
        labelled([user("yamada"), assistant("suzuki")], changing)
    assert "yamada" not in str(refused.value)


def test_a_template_without_an_end_of_turn_is_refused(tokenizer: Any) -> None:
    endless = deepcopy(tokenizer)
    endless.chat_template = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    endless.chat_template += "{% if add_generation_prompt %}assistant: {% endif %}"
    with pytest.raises(InputError, match="when to stop"):
        labelled([user("a"), assistant("b")], endless)


REAL = {"llama3": "llama3", "llama3_1": "llama3", "qwen2_5": "qwen2", "qwen3": "qwen2", "gemma": "gemma"}
REAL |= {"gemma3": "gemma", "qwen3_instruct_2507": "qwen2", "phi3": "phi3"}


@pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="the families' own templates come with trl")
@pytest.mark.parametrize("name", REAL)
def test_the_families_own_templates(tokenizers: Callable[[str], Any], name: str) -> None:
    spec = importlib.util.find_spec("trl")
    assert spec is not None
    assert spec.origin is not None
    tokenizer = deepcopy(tokenizers(REAL[name]))
    template = Path(spec.origin).parent / "chat_templates" / f"{name}.jinja"
    tokenizer.chat_template = template.read_text("utf-8")
    messages = [
        {"role": "system", "content": "S."}, user("Q1?"), assistant("First."), user("Q2?"), assistant("Second."),
    ]  # fmt: skip

    examples = labelled(messages, tokenizer).examples

    end = END[REAL[name]]
    said = [learned(example, tokenizer).replace("<think>\n\n</think>\n\n", "") for example in examples]
    one_by_one = name in ("qwen3", "phi3")
    assert said == ([f"First.{end}", f"Second.{end}"] if one_by_one else [f"First.{end}Second.{end}"])
