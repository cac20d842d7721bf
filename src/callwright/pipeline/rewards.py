"""Replies of a model in training, played by the engine that serves it and paid by the scorer that judges it."""

from __future__ import annotations

from collections.abc import Sequence

from callwright.generate.local import LocalEngine
from callwright.generate.reply import Options
from callwright.pipeline.evaluate import answered
from callwright.pipeline.tune import Player, Prepared
from callwright.pipeline.workshop import Workshop
from callwright.recipe import Recipe
from callwright.score.reward import rewards
from callwright.train.grpo import Grpo, Play, Rollout


def player_of(recipe: Recipe, prepared: Prepared, workshop: Workshop) -> Player:
    """Plays the prepared rows with an engine."""
    chosen = recipe.grpo
    assert chosen is not None

    def with_engine(engine: LocalEngine) -> Play:
        def play(numbers: Sequence[int], seed: int) -> list[Rollout]:
            options = Options(max_new_tokens=chosen.max_new_tokens, temperature=chosen.temperature, seed=seed)
            rows = [prepared.asked[number] for number in numbers]
            return [
                Rollout(answer.prompt.token_ids, answer.token_ids, rewards(score))
                for score, answer in answered(engine, rows, workshop.dialect, workshop.tokenizer, options)
            ]

        return play

    return Player(with_engine, grpo_of(recipe, prepared))


def grpo_of(recipe: Recipe, prepared: Prepared) -> Grpo:
    """TRL's settings. A step's replies go through in as many passes as `train.max_tokens` needs, prefixes once each."""
    chosen = recipe.grpo
    assert chosen is not None
    prefix = max(row.prefix_len for row in prepared.rows)
    own = max(len(row.token_ids) - row.prefix_len for row in prepared.rows) + chosen.max_new_tokens
    replies = recipe.train.batch_size
    cuts = [passes for passes in range(1, replies + 1) if replies % passes == 0]
    fitting = [passes for passes in cuts if prefix + replies // passes * own <= recipe.train.max_tokens]
    return Grpo(
        prompts=len(prepared.asked),
        generations=chosen.generations,
        temperature=chosen.temperature,
        max_new_tokens=chosen.max_new_tokens,
        rewards={str(name): weight for name, weight in chosen.rewards.items()},
        epsilon=chosen.epsilon,
        passes=min(fitting, default=replies),
    )
