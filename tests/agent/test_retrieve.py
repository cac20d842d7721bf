"""The few tools of many that a request needs."""

from __future__ import annotations

import numpy as np
import pytest

from callwright.agent.retrieve import Choice, Grouped, Retriever, recall, with_retrieved
from callwright.errors import RecipeError
from callwright.types import Conversation, Message, Tool, ToolCall

TOOLS = [
    Tool(name, about, {"type": "object", "properties": {}})
    for name, about in [
        ("set_light", "Switch a room's light."),
        ("play_music", "Play a song."),
        ("get_weather", "The weather of a city."),
        ("send_mail", "Write a mail to somebody."),
    ]
]


def test_words_find_tools_and_examples_help() -> None:
    index = Retriever(TOOLS)
    assert [tool.name for tool in index.choose("what weather is it", 1)] == ["get_weather"]
    assert index.ranked("brighten it up in here", 1) != [0]
    taught = Retriever(TOOLS, {"set_light": ["brighten the hall", "make it brighter here"]})
    assert taught.ranked("brighten it up", 1) == [0]
    # as they stand in the index, so that prompts begin alike
    names = [tool.name for tool in index.choose("a mail about the light and a song", 3)]
    assert names == ["set_light", "play_music", "send_mail"]
    assert "send_mail" in {tool.name for tool in index.choose("weather", 1, ["send_mail"])}


def test_vectors_and_both() -> None:
    def embed(texts: object) -> np.ndarray:
        found = np.array([[text.count("o") + 0.1, text.count("e") + 0.1] for text in texts], dtype=np.float32)  # type: ignore[attr-defined]
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    near = Retriever(TOOLS, embed=embed, by="vectors").ranked("ooo", 4)
    assert sorted(near) == [0, 1, 2, 3]
    both = Retriever(TOOLS, embed=embed, by="both").ranked("weather", 4)
    assert both[0] == 2
    with pytest.raises(RecipeError, match="needs an embedding"):
        Retriever(TOOLS, by="both")
    with pytest.raises(RecipeError, match="give words"):
        Retriever(TOOLS, by="bm25")


def test_groups_and_recall() -> None:
    grouped = Grouped(Retriever(TOOLS), {"home": ["set_light", "play_music"], "world": ["get_weather", "send_mail"]})
    assert [tool.name for tool in grouped.choose("weather")] == ["get_weather", "send_mail"]
    assert recall([["a"], []], [["a", "b"], ["c"]]) == 1 / 3
    assert recall([], []) == 0


def test_a_conversation_keeps_the_tools_that_it_called() -> None:
    choice = Choice(Retriever(TOOLS), 1)
    said = [
        Message("user", "a song"),
        Message("assistant", "", (ToolCall("play_music", {}),)),
        Message("user", "weather"),
    ]
    assert [tool.name for tool in choice(said, TOOLS)] == ["play_music", "get_weather"]
    row = Conversation("1", (), (Message("user", "weather"), Message("assistant", "", (ToolCall("send_mail", {}),))))
    made = with_retrieved(row, Retriever(TOOLS), 1)
    assert [tool.name for tool in made.tools] == ["get_weather", "send_mail"]
    assert made.provenance == {"retrieved": 1}
