"""GGUF files of every architecture that is written: llama.cpp writes the tokens that transformers writes, and cuts
texts as its tokenizers do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from callwright.errors import ModelError
from callwright.export.gguf import convert, write_gguf
from callwright.export.gguf_words import _CUTS
from callwright.generate.llama_cpp import LlamaModel, LlamaSteps
from callwright.generate.steps import Feed
from callwright.models.tokenizer import load_tokenizer
from tiny import tiny

pytestmark = pytest.mark.native
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
LONG = {
    "rope_type": "longrope",
    "rope_theta": 10_000.0,
    "partial_rotary_factor": 1.0,
    "short_factor": [1.0, 1.1, 1.3, 1.6],
    "long_factor": [1.0, 2.0, 3.0, 4.0],
    "original_max_position_embeddings": 256,
}
FULL = {"rope_type": "default", "rope_theta": 1_000_000.0}
NEAR = {"rope_type": "default", "rope_theta": 10_000.0}
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "llama tied": ("llama", {"tie_word_embeddings": True}),
    "llama 3.1": ("llama", {"rope_parameters": LLAMA3}),
    "llama, linear": ("llama", {"rope_parameters": {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 2.0}}),
    "mistral": ("mistral", {"sliding_window": None}),
    "mistral, windowed": ("mistral", {"sliding_window": 128}),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {}),
    "gemma2": ("gemma2", {"num_hidden_layers": 4}),
    "gemma3": (
        "gemma3",
        {
            "layer_types": ["sliding_attention"] * 5 + ["full_attention", "sliding_attention"],
            "query_pre_attn_scalar": 16,
            "rope_parameters": {"full_attention": FULL, "sliding_attention": NEAR},
        },
    ),
    "phi3": ("phi3", {"sliding_window": None}),
    "phi3, long": ("phi3", {"sliding_window": None, "rope_parameters": LONG, "max_position_embeddings": 256}),
}


def byte_pairs(split: tuple[str, ...], *, whole: bool = False) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with a few merges, which cuts text in one of the known ways. whole: a word that is a token
    is taken as it is, as Llama 3 and Mistral have it."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [
        ("a", "b"),
        ("1", "2"),
        ("Ġ", "a"),
        ("Ġa", "b"),
        ("Ċ", "Ċ"),
        ("Ġ", "Ġ"),
        ("'", "s"),
        ("a", "1"),
        (".", "Ċ"),
    ]
    words = ["<pad>", "<s>", "</s>", *alphabet, *("".join(pair) for pair in merges)]
    vocabulary = {word: number for number, word in enumerate(words)}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=whole))
    steps: list[Any] = []
    for step in split:
        if step == "digits":
            steps.append(pre_tokenizers.Digits(individual_digits=True))
        elif step != "bytes":
            steps.append(pre_tokenizers.Split(Regex(step), "isolated"))
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex="bytes" in split))
    backend.pre_tokenizer = pre_tokenizers.Sequence(steps)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<pad>", "<s>", "</s>"])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


def pieces() -> PreTrainedTokenizerFast:
    """A tokenizer as SentencePiece makes them, with bytes to fall back on."""
    merges = [("▁", "a"), ("a", "b"), ("▁a", "b"), ("▁", "▁"), ("b", "c"), ("1", "2")]
    letters = [*"▁abc123.,!?", "{", "}", '"', ":"]
    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    words += ["".join(pair) for pair in merges]
    model = models.BPE(
        vocab={word: number for number, word in enumerate(words)},
        merges=merges,
        unk_token="<unk>",
        byte_fallback=True,
        fuse_unk=True,
    )
    backend = Tokenizer(model)
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    backend.add_special_tokens(["<s>", "</s>"])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


TEXTS = (
    "",
    "ab ab  ab\n\n ab",
    "12 1234 a12's IT'S don't",
    "  lead, and trail  ",
    '{"a": "b", "n": -12.5}\n</s> ab',
    "Größe über αβγ 日本語 🙂",
    "ab\r\n\tab.\n!!! ?",
)


def open_file(file: Path) -> tuple[LlamaModel, LlamaSteps]:
    pytest.importorskip("llama_cpp", reason="the extra 'llama' is not installed")
    model = LlamaModel(file)
    return model, LlamaSteps(model, slots=1, kept=0, context=256)


def weighty(architecture: str, rows: int, seed: int, changes: dict[str, Any]) -> Any:
    """A random model whose weights matter, in values that 16 bits hold."""
    model = tiny(architecture, vocab_size=rows, **changes).eval()
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            norm = "norm" in name
            parameter.copy_((torch.randn_like(parameter) * (0.1 if norm else 0.35) + norm).half().float())
    return model


@torch.no_grad()
def greedy(model: Any, prompt: list[int], count: int) -> tuple[list[int], float]:
    """The likeliest tokens, and how near the second ever came, in standard deviations of the logits."""
    tokens, nearest = list(prompt), float("inf")
    for _ in range(count):
        logits = model(torch.tensor([tokens])).logits[0, -1]
        first, second = logits.topk(2).values
        nearest = min(nearest, float((first - second) / logits.std()))
        tokens.append(int(logits.argmax()))
    return tokens[len(prompt) :], nearest


@pytest.mark.parametrize("shape", SHAPES)
def test_greedy_tokens_are_those_of_transformers(shape: str, tmp_path: Path) -> None:
    architecture, changes = SHAPES[shape]
    words, prompt = byte_pairs(("bytes",)), [1, *range(5, 45)]
    # llama.cpp keeps keys and values in 16 bits: a tie could fall otherwise
    for seed in range(200):
        model = weighty(architecture, len(words), seed, changes)
        expected, nearest = greedy(model, prompt, 32)
        if nearest > 0.03 and len(set(expected)) > 3:
            break
    else:
        pytest.fail("every random model comes near a tie")
    write_gguf(model, words, tmp_path / "m.gguf", "f16")
    _, steps = open_file(tmp_path / "m.gguf")
    tokens = list(prompt)
    row, held = steps.open(prompt, 0, 80)
    for _ in range(32):
        (made,) = steps.forward([Feed(row, tokens[held:], 1)])
        held = len(tokens)
        tokens.append(int(made[-1].argmax()))
    assert tokens[len(prompt) :] == expected


@pytest.mark.parametrize("cut", _CUTS)
def test_texts_are_cut_as_the_tokenizer_cuts_them(cut: str, tmp_path: Path) -> None:
    words = byte_pairs(_CUTS[cut], whole=cut in ("llama-bpe", "tekken"))
    write_gguf(tiny("llama", vocab_size=len(words) + 3), words, tmp_path / "m.gguf")
    model, _ = open_file(tmp_path / "m.gguf")
    for text in TEXTS:
        assert model.tokens(text) == words(text, add_special_tokens=False).input_ids, text


def test_pieces_are_joined_as_the_tokenizer_joins_them(tmp_path: Path) -> None:
    words = pieces()
    write_gguf(tiny("llama", vocab_size=len(words)), words, tmp_path / "m.gguf", template="{{ 1 }}")
    model, _ = open_file(tmp_path / "m.gguf")
    for text in TEXTS:
        assert model.tokens(text) == words(text, add_special_tokens=False).input_ids, text
    assert model.template == "{{ 1 }}"


def test_the_embedded_tokenizer(tmp_path: Path) -> None:
    words = load_tokenizer("smollm2-135m")
    write_gguf(tiny("llama", vocab_size=len(words)), words, tmp_path / "m.gguf")
    model, _ = open_file(tmp_path / "m.gguf")
    for text in (*TEXTS, "<|im_start|>user\nWhat's 12345?<|im_end|>\n"):
        assert model.tokens(text) == words(text, add_special_tokens=False).input_ids, text
    assert model.template == words.chat_template


@pytest.mark.parametrize(
    ("architecture", "changes", "why"),
    [
        ("gemma2", {"query_pre_attn_scalar": 24}, "query_pre_attn_scalar is 24, and llama.cpp takes 16"),
        ("gemma3", {"query_pre_attn_scalar": 16}, "llama.cpp expects every 6th layer"),
        (
            "llama",
            {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
            "scaled by 'dynamic'",
        ),
    ],
)
def test_what_llama_cpp_computes_otherwise_is_refused(
    architecture: str, changes: dict[str, Any], why: str, tmp_path: Path
) -> None:
    words = byte_pairs(("bytes",))
    with pytest.raises(ModelError, match=why):
        write_gguf(tiny(architecture, vocab_size=len(words), **changes), words, tmp_path / "m.gguf")
    assert not list(tmp_path.iterdir())


def test_a_tokenizer_that_cuts_otherwise_is_refused(tmp_path: Path) -> None:
    words = byte_pairs((r"\p{N}{1,7}",))
    with pytest.raises(ModelError, match="no name known here"):
        write_gguf(tiny("llama", vocab_size=len(words)), words, tmp_path / "m.gguf")


def test_a_converter_of_the_users_own(tmp_path: Path) -> None:
    script = tmp_path / "convert_hf_to_gguf.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\n"
        "Path(sys.argv[sys.argv.index('--outfile') + 1]).write_text(' '.join(sys.argv[1:2] + sys.argv[-1:]))\n"
    )
    convert(tmp_path / "merged", tmp_path / "m.gguf", script, "q8_0")
    assert (tmp_path / "m.gguf").read_text() == f"{tmp_path / 'merged'} q8_0"
    script.write_text("raise SystemExit('Model X is not supported')")
    with pytest.raises(ModelError, match="Model X is not supported"):
        convert(tmp_path / "merged", tmp_path / "other.gguf", script, "f16")
    with pytest.raises(ModelError, match="there is no such file"):
        convert(tmp_path / "merged", tmp_path / "other.gguf", tmp_path / "gone.py", "f16")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["convert_hf_to_gguf.py", "m.gguf"]
