"""A program that runs the command line without what Python lacks on Windows: modules, functions, signals, sockets."""

from __future__ import annotations

WITHOUT_UNIX = """
import asyncio, concurrent.futures, os, selectors, signal, socket, subprocess, sys, tempfile, time, types
for name in ("fcntl", "grp", "pwd", "resource", "syslog", "termios", "tty", "uvloop"):
    sys.modules[name] = None
msvcrt = types.ModuleType("msvcrt")
msvcrt.LK_NBLCK = 2
msvcrt.locking = lambda descriptor, mode, count: None
sys.modules["msvcrt"] = msvcrt
LACKING = {
    os: "chown fchown fdatasync fork forkpty getegid geteuid getgid getloadavg getuid killpg lchown mkfifo nice "
    "posix_spawn pread pwrite register_at_fork sched_getaffinity sendfile setpgid setsid statvfs sync sysconf uname "
    "O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK WNOHANG",
    signal: "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGUSR1 SIGUSR2 alarm pause pthread_kill pthread_sigmask "
    "setitimer sigwait",
    socket: "SO_REUSEPORT",
    time: "tzset",
}
for module, names in LACKING.items():
    for name in names.split():
        delattr(module, name)

def not_on_windows(loop, number, act):
    raise NotImplementedError

asyncio.SelectorEventLoop.add_signal_handler = not_on_windows
from photochanger.entrypoints.cli import main
main.ON_WINDOWS = True
main.main()
"""
