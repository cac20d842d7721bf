"""Conversation + a format's name -> what that format can hold of it, or a DataError that says what it cannot."""

from __future__ import annotations

from callwright.errors import DataError
from callwright.types import Conversation, JsonObject, Message


def place_of(conversation: Conversation) -> str:
    """Where a row stands, for messages: its file and line, or its id."""
    return conversation.where or f"row {conversation.id!r}"


def own_fields(conversation: Conversation) -> JsonObject:
    """The id and source that a row brought, for formats that keep them beside its turns."""
    own: JsonObject = {"id": conversation.id, "source": conversation.source}
    return {key: value for key, value in own.items() if value}


def opening(conversation: Conversation) -> tuple[str, tuple[Message, ...]]:
    """The text of the system turn that opens a row ("" where none does, or an empty one), and the turns after it."""
    messages = conversation.messages
    if messages and messages[0].role == "system" and messages[0].text:
        return messages[0].text, messages[1:]
    return "", messages


def cannot(conversation: Conversation, format: str, what: str) -> DataError:
    """The error to raise for what a format has no place for."""
    return DataError(place_of(conversation), f"{format} cannot hold {what}")


def one_exchange(conversation: Conversation, format: str) -> tuple[Message, Message]:
    """The question and the answer of a row that holds nothing else. Raises DataError for any other row."""
    roles = [message.role for message in conversation.messages]
    if "system" in roles:
        raise cannot(conversation, format, "system text")
    if roles != ["user", "assistant"]:
        turns = ", ".join(roles) or "(none)"
        raise cannot(conversation, format, f"the turns {turns}: only one user, one assistant")
    no_train_marks(conversation, format)
    question, answer = conversation.messages
    return question, answer


def no_train_marks(conversation: Conversation, format: str) -> None:
    """Raises DataError for a row that says which turns to train."""
    if any(message.train is not None for message in conversation.messages):
        raise cannot(conversation, format, "'train' marks")


def no_text_beside_calls(conversation: Conversation, format: str) -> None:
    """Raises DataError for a turn with both."""
    if any(message.text and message.calls for message in conversation.messages):
        raise cannot(conversation, format, "text beside calls")


def no_ids(conversation: Conversation, format: str) -> None:
    """Raises DataError where results stand in another order than their calls, which only ids can tell."""
    waiting: list[str] = []
    for message in conversation.messages:
        if message.role != "tool":
            waiting = [call.id for call in message.calls]
        elif message.call_id and message.call_id in waiting:
            if waiting.index(message.call_id):
                raise cannot(conversation, format, "results in another order than their calls")
            waiting.pop(0)
        elif waiting:
            waiting.pop(0)
