"""Prompts -> completions by a transformers model in this process, the tool block computed once per tool set."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from callwright.generate.reply import Completion, Options, Prompt
from callwright.models import attention
from callwright.models.shared_kv import FlatKV, PrefixKV, RowsKV
from callwright.models.tree import continue_layout
from callwright.types import Ending


@dataclass
class PrefixCache:
    """Computed prefixes by their tokens: the least recently used leave when `max_bytes` is passed."""

    max_bytes: int = 1 << 30
    _kept: OrderedDict[tuple[int, ...], PrefixKV] = field(default_factory=OrderedDict)
    hits: int = 0
    misses: int = 0

    def get(self, tokens: tuple[int, ...]) -> PrefixKV | None:
        """The prefix, if it is kept."""
        found = self._kept.get(tokens)
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        self._kept.move_to_end(tokens)
        return found

    def __contains__(self, tokens: tuple[int, ...]) -> bool:
        return tokens in self._kept

    def put(self, tokens: tuple[int, ...], prefix: PrefixKV) -> None:
        """Keeps a prefix, and lets go of older ones; one that is larger than the budget is not kept."""
        if prefix.bytes > self.max_bytes:
            return
        self._kept[tokens] = prefix
        while sum(kept.bytes for kept in self._kept.values()) > self.max_bytes:
            self._kept.popitem(last=False)


@dataclass
class LocalEngine:
    """A model in evaluation mode. `batch_size` prompts decode together; `prefill_tokens` bounds one prefill pass.

    stops: texts that end a reply, as the dialect names them; the tokenizer's EOS always does.
    """

    model: Any
    tokenizer: Any
    stops: Sequence[str]
    batch_size: int = 32
    prefill_tokens: int = 4096
    cache: PrefixCache = field(default_factory=PrefixCache)

    def __post_init__(self) -> None:
        attention.install()
        self._stop_ids, self._stop_texts = _split_stops(self.tokenizer, self.stops)

    def complete(self, prompts: Sequence[Prompt], options: Options) -> Iterator[Completion]:
        """Completions in order. Prompts with one prefix decode in one batch, whatever order they came in.

        So do several prompts whose prefixes nothing shares: each is then computed whole, and not kept.
        """
        done: dict[int, Completion] = {}
        given = 0
        generator = torch.Generator(device="cpu").manual_seed(options.seed)
        for shared, numbers in self._batches(prompts):
            with torch.inference_mode(), attention.installed(self.model):
                made = self._batch(shared, [prompts[i] for i in numbers], options, generator)
                done.update(zip(numbers, made, strict=True))
            while given in done:
                yield done.pop(given)
                given += 1

    def _batches(self, prompts: Sequence[Prompt]) -> Iterator[tuple[tuple[int, ...], list[int]]]:
        """The tokens of a prefix, and the numbers of prompts that begin with it, of similar length."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for number, prompt in enumerate(prompts):
            groups.setdefault(tuple(prompt.token_ids[: prompt.prefix_len]), []).append(number)
        alone = [prefix for prefix, numbers in groups.items() if len(numbers) == 1 and prefix not in self.cache]
        if len(alone) > 1:
            numbers = [groups.pop(prefix)[0] for prefix in alone]
            groups[()] = groups.get((), []) + numbers
        for prefix, numbers in groups.items():
            numbers.sort(key=lambda number: len(prompts[number].token_ids))
            for low in range(0, len(numbers), self.batch_size):
                yield prefix, numbers[low : low + self.batch_size]

    def _batch(
        self, shared: tuple[int, ...], prompts: Sequence[Prompt], options: Options, generator: torch.Generator
    ) -> list[Completion]:
        prefix = self._prefix(shared) if shared else None
        suffixes = [list(prompt.token_ids[len(shared) :]) for prompt in prompts]
        width = max(map(len, suffixes))
        rows, logits = self._prefill(prefix, suffixes, width + options.max_new_tokens)
        written: list[list[int]] = [[] for _ in prompts]
        endings = [Ending.LENGTH] * len(prompts)
        live = list(range(len(prompts)))
        for step in range(options.max_new_tokens):
            tokens = _choose(logits, options, generator)
            still = []
            for slot, token in enumerate(tokens.tolist()):
                row = live[slot]
                written[row].append(token)
                if token in self._stop_ids or self._ends_in_stop(written[row]):
                    endings[row] = Ending.STOP
                else:
                    still.append(slot)
            if not still or step + 1 == options.max_new_tokens:
                break
            if len(still) < len(live):
                keep = torch.tensor(still, device=tokens.device)
                rows.keep(keep)
                tokens, live = tokens[keep], [live[slot] for slot in still]
            logits = self._forward(tokens[:, None], rows)
        return [self._completion(tokens, ending) for tokens, ending in zip(written, endings, strict=True)]

    def _prefix(self, tokens: tuple[int, ...]) -> PrefixKV:
        found = self.cache.get(tokens)
        if found is None:
            found = self._compute_prefix(tokens)
            self.cache.put(tokens, found)
        return found

    def _compute_prefix(self, tokens: tuple[int, ...]) -> PrefixKV:
        flat = FlatKV()
        self._flat_pass(flat, [tokens])
        ordered = [flat.own[layer] for layer in sorted(flat.own)]
        return PrefixKV(len(tokens), [k for k, _ in ordered], [v for _, v in ordered])

    def _prefill(self, prefix: PrefixKV | None, suffixes: list[list[int]], capacity: int) -> tuple[RowsKV, Tensor]:
        """Suffixes, as many in a flat pass as `prefill_tokens` hold -> their keys and values, and the next logits."""
        flats, logits = [], []
        for part in _parts(suffixes, self.prefill_tokens):
            flats.append(FlatKV(prefix))
            logits.append(self._flat_pass(flats[-1], part))
        joined = {
            layer: (
                torch.cat([flat.own[layer][0] for flat in flats], dim=1),
                torch.cat([flat.own[layer][1] for flat in flats], dim=1),
            )
            for layer in flats[0].own
        }
        return RowsKV.of_flat(FlatKV(prefix, joined), list(map(len, suffixes)), capacity), torch.cat(logits)

    def _flat_pass(self, flat: FlatKV, rows: Sequence[Sequence[int]]) -> Tensor:
        """Rows behind the prefix, one after another without padding -> the logits [B, V] at their ends."""
        device, lengths = self.model.device, [len(row) for row in rows]
        layout = continue_layout(flat.get_seq_length(), lengths).to(device)
        ends = torch.tensor(lengths, device=device).cumsum(0) - 1
        output = self.model(
            input_ids=torch.tensor([[token for row in rows for token in row]], device=device),
            position_ids=layout.positions[None, flat.get_seq_length() :],
            layout=layout,
            past_key_values=flat,
            use_cache=True,
            logits_to_keep=ends,
        )
        return output.logits[0].float()

    def _forward(self, tokens: Tensor, rows: RowsKV) -> Tensor:
        """One more token [B, 1] for every row -> logits [B, V]."""
        rows.positions = torch.cat([rows.positions, rows.positions[:, -1:] + 1], dim=1)
        output = self.model(
            input_ids=tokens,
            position_ids=rows.positions[:, -1:],
            rows=rows,
            past_key_values=rows,
            use_cache=True,
        )
        rows.advance(1)
        return output.logits[:, -1].float()

    def _ends_in_stop(self, written: list[int]) -> bool:
        if not self._stop_texts:
            return False
        return self.tokenizer.decode(written[-24:]).endswith(tuple(self._stop_texts))

    def _completion(self, tokens: list[int], ending: Ending) -> Completion:
        kept = tokens[:-1] if tokens and tokens[-1] in self._stop_ids else tokens
        text = self.tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        for stop in self._stop_texts:
            text = text.removesuffix(stop)
        return Completion(text, ending, len(tokens), tuple(tokens))


def _choose(logits: Tensor, options: Options, generator: torch.Generator) -> Tensor:
    """Logits [B, V] -> the next tokens [B]: greedy, or sampled from the nucleus `top_p`."""
    if options.temperature <= 0:
        return logits.argmax(-1)
    probabilities = torch.softmax(logits / options.temperature, dim=-1)
    if options.top_p < 1:
        ordered, index = probabilities.sort(descending=True)
        outside = ordered.cumsum(-1) - ordered >= options.top_p
        probabilities = probabilities.scatter(-1, index, ordered.masked_fill(outside, 0.0))
    return torch.multinomial(probabilities.cpu(), 1, generator=generator).squeeze(-1).to(logits.device)


def _split_stops(tokenizer: Any, stops: Sequence[str]) -> tuple[set[int], list[str]]:
    """Stops that are one token, by id (with EOS), and those that are longer, as text."""
    ids, texts = {int(tokenizer.eos_token_id)}, []
    for stop in stops:
        tokens = tokenizer(stop, add_special_tokens=False)["input_ids"]
        if len(tokens) == 1:
            ids.add(int(tokens[0]))
        else:
            texts.append(stop)
    return ids, texts


def _parts(rows: Sequence[list[int]], most: int) -> Iterator[list[list[int]]]:
    """Neighbouring rows of `most` tokens together; a longer row is a part of its own."""
    part: list[list[int]] = []
    for row in rows:
        if part and sum(map(len, part)) + len(row) > most:
            yield part
            part = []
        part.append(row)
    yield part
