"""Twelve functions of a home and a phone: the embedded example. Each body says what would be done."""

from typing import Literal

Room = Literal["kitchen", "living room", "bedroom", "bathroom", "hall", "office", "garage", "garden"]


def set_light(room: Room, state: Literal["on", "off", "dim"]) -> str:
    """Switch a room's light on or off, or dim it.

    Args:
        room: The room.
        state: What to do.
    """
    return f"light in the {room}: {state}"


def set_thermostat(degrees: int) -> str:
    """Heat or cool the home to a temperature.

    Args:
        degrees: Degrees Celsius.
    """
    return f"thermostat at {degrees}"


def start_timer(minutes: int) -> str:
    """Start a countdown.

    Args:
        minutes: Whole minutes; an hour is 60.
    """
    return f"timer of {minutes} minutes"


def set_alarm(time: str) -> str:
    """Set an alarm clock.

    Args:
        time: 24-hour time, as 07:30.
    """
    return f"alarm at {time}"


def add_event(title: str, day: str) -> str:
    """Put an event into the calendar.

    Args:
        title: What it is, as said.
        day: The day, as said.
    """
    return f"{title} on {day}"


def play_music(query: str) -> str:
    """Play a song, artist, album or genre.

    Args:
        query: What to play, as said.
    """
    return f"playing {query}"


def send_message(to: str, text: str) -> str:
    """Send a text message to a person.

    Args:
        to: The person, as said.
        text: The message, as said.
    """
    return f"to {to}: {text}"


def add_to_shopping_list(item: str) -> str:
    """Put one item on the shopping list.

    Args:
        item: The item, as said.
    """
    return f"{item} is on the list"


def get_weather(city: str, day: Literal["today", "tomorrow", "weekend"] = "today") -> str:
    """Tell the weather forecast for a city.

    Args:
        city: The city, as said.
        day: When; today if not said.
    """
    return f"weather in {city}, {day}"


def navigate_to(destination: str) -> str:
    """Start navigation to a place.

    Args:
        destination: The place, as said.
    """
    return f"route to {destination}"


def set_volume(level: int) -> str:
    """Set the loudness of the speakers.

    Args:
        level: Percent: 0 is mute, 50 is half, 100 is full.
    """
    return f"volume {level}"


def lock_door(door: Literal["front", "back", "garage"], action: Literal["lock", "unlock"]) -> str:
    """Lock or unlock a door.

    Args:
        door: Which door.
        action: What to do.
    """
    return f"{action} {door} door"
