from callwright.api import Caller as Caller
from callwright.api import Run as Run
from callwright.api import Scores as Scores
from callwright.api import evaluate as evaluate
from callwright.api import export_model as export_model
from callwright.api import load_rows as load_rows
from callwright.api import load_run as load_run
from callwright.api import load_tools as load_tools
from callwright.api import make_rows as make_rows
from callwright.api import open_model as open_model
from callwright.api import tune as tune
from callwright.errors import CallwrightError as CallwrightError
from callwright.types import Conversation as Conversation
from callwright.types import Message as Message
from callwright.types import Reply as Reply
from callwright.types import Tool as Tool
from callwright.types import ToolCall as ToolCall

__version__: str
__all__: list[str]
