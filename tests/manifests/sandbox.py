"""A container without Docker: read-only root, fresh /tmp, a volume, an arbitrary uid without passwd entry."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
UID = 1234567

# $1 new root, $2 volume outside, $3 a private home to open, $4… read-only paths that these hide, then `--` and the command.
_SCRIPT = """
set -eu
root=$1 volume=$2 home=$3; shift 3
mount --make-rprivate /
mount --rbind / "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
if [ -n "$home" ]; then mount -t tmpfs -o mode=0755 tmpfs "$root$home"; fi
mkdir -p "$root/tmp/data"
mount --bind "$volume" "$root/tmp/data"
while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    mount --bind "$1" "$root$1"
    mount -o remount,bind,ro "$root$1"
    shift
done
shift
exec chroot "$root" setpriv --reuid UID --regid UID --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"
""".replace("UID", str(UID))


def why_not() -> str:
    """Empty where the sandbox can be made, else the reason as one line."""
    if not (shutil.which("unshare") and shutil.which("setpriv")):
        return "unshare and setpriv (util-linux) are needed"
    tried = subprocess.run(["unshare", "--mount", "sh", "-c", "mount --make-rprivate / && mount -t tmpfs tmpfs /mnt"], capture_output=True)
    return "" if tried.returncode == 0 else "mount namespaces need root (or CAP_SYS_ADMIN)"


def in_container(folder: Path, volume: Path, command: list[str]) -> list[str]:
    """The argv that runs `command` as a pod would; the volume stands at /tmp/data.

    Args:
        folder: an empty folder, the mount point of the new root.
        volume: writable by the sandbox's uid.
        command: without paths below /tmp, but for those of this checkout and interpreter.
    """
    folder.mkdir()
    volume.chmod(0o777)
    # An interpreter below a home that only its owner may enter (pyenv) is shown alone, without the home.
    home = next((path for path in reversed(Path(sys.base_prefix).parents) if not path.stat().st_mode & 0o001), None)
    covered = [Path("/tmp"), *([home] if home else [])]
    needed = dict.fromkeys((ROOT, Path(sys.prefix), Path(sys.base_prefix)))
    hidden = [str(path) for path in needed if any(path.is_relative_to(cover) for cover in covered)]
    environment = [
        "env",
        "-i",
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "HOME=/tmp",
        "USER=ctp",
        "LOGNAME=ctp",
        "LANG=C.UTF-8",
        "PYTHONDONTWRITEBYTECODE=1",
    ]
    path = f"PYTHONPATH={ROOT}"
    return [
        "unshare",
        "--mount",
        "sh",
        "-c",
        _SCRIPT,
        "sandbox",
        str(folder),
        str(volume),
        str(home or ""),
        *hidden,
        "--",
        *environment,
        path,
        *command,
    ]
