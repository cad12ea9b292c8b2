"""Work on pictures in child processes of limited memory and time, killed with the task that they were started for."""

from .call import Answer, Call
from .connection import ChildFailed
from .fork_server import ForkServer
from .pool import ChildPool, Content, TaskEnded, TaskRunner

__all__ = ["Answer", "Call", "ChildFailed", "ChildPool", "Content", "ForkServer", "TaskEnded", "TaskRunner"]
