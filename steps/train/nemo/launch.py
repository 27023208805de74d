"""The entry point of the RayJob: `python -m steps.train.nemo.launch FOLDER`, run by NeMo-RL's own Python.

It makes our environment and processor known to NeMo-RL, which a configuration file cannot, starts NeMo-RL's
own script, and afterwards looks at the checkpoints: NeMo-RL ends with exit code 0 when it has trained nothing.
Source: NeMo-RL v0.7.0, nemo_rl/environments/utils.py and nemo_rl/distributed/ray_actor_environment_registry.py.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import time
from pathlib import Path
from typing import Any

from steps.train.nemo.progress import STARTED, steps_reached
from steps.train.nemo.prompt_processor import prompt_processor

NEMO = Path("/opt/nemo-rl")
ACTOR = "steps.train.nemo.actor.JudgeActor"
# As in `steps.train.nemo.master_config`, which needs more than the standard library.
ENVIRONMENT, PROCESSOR = "ctp_judge", "ctp_prompt"
EXIT_USAGE, EXIT_SHORT = 64, 75


def register() -> None:
    """Name our actor class, the Python it runs with, and our processor."""
    from nemo_rl.data.processors import register_processor
    from nemo_rl.distributed.ray_actor_environment_registry import ACTOR_ENVIRONMENT_REGISTRY
    from nemo_rl.distributed.virtual_cluster import PY_EXECUTABLES
    from nemo_rl.environments.utils import register_env

    # Without this line NeMo-RL refuses the class that the next one registers.
    ACTOR_ENVIRONMENT_REGISTRY[ACTOR] = PY_EXECUTABLES.SYSTEM
    register_env(ENVIRONMENT, ACTOR)
    register_processor(PROCESSOR, prompt_processor)


def _note_start(folder: Path) -> None:
    """Keep when the first attempt began."""
    path = folder / STARTED
    if not path.exists():
        scratch = path.with_suffix(".new")
        scratch.write_text(json.dumps({"started": time.time()}), encoding="utf-8")
        scratch.replace(path)


def launch(folder: Path, nemo: Path = NEMO) -> int:
    """Train until the target; the exit code says whether it was reached.

    Args:
        folder: made by the step `nemo-prepare`.
        nemo: the checkout of NeMo-RL.
    """
    target: dict[str, Any] = json.loads((folder / "target.json").read_text(encoding="utf-8"))
    script = nemo / "examples" / f"run_{target['method']}.py"
    if target["method"] == "grpo":
        register()
    _note_start(folder)
    # NeMo-RL opens some of its files by relative paths.
    os.chdir(nemo)
    sys.argv = [str(script), "--config", str(folder / "config.yaml")]
    runpy.run_path(str(script), run_name="__main__")
    reached = steps_reached(folder / "checkpoints")
    if reached < target["steps"]:
        sys.stderr.write(f"NeMo-RL ended after {reached} of {target['steps']} steps: start the job again to go on\n")
        return EXIT_SHORT
    return 0


def main() -> int:
    """Run as a script."""
    if len(sys.argv) != 2 or not Path(sys.argv[1], "target.json").is_file():
        sys.stderr.write("usage: python -m steps.train.nemo.launch FOLDER, as nemo-prepare made it\n")
        return EXIT_USAGE
    return launch(Path(sys.argv[1]).absolute())


if __name__ == "__main__":
    sys.exit(main())
