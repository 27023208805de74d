"""The block `cost` of the configuration: prices and ceilings. A default lives once, on its field."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from steps.contract.config.prices import CPU_CORE_HOUR_USD, INSTANCES, MEMORY_GIB_HOUR_USD, Instance, Machine
from steps.contract.refs import Frozen


class CostConfig(Frozen):
    """Prices and ceilings, in US dollars. The one place where they stand; 0 as a ceiling: none."""

    instances: dict[str, Instance] = Field(
        default=INSTANCES, description="instance type -> size and price; entries are laid on the built-in table, value by value"
    )
    machines: dict[Literal["train", "gate", "judge", "serve"], Machine] = Field(
        default={
            "train": Machine(instance="p5en.48xlarge"),
            "gate": Machine(instance="g6.12xlarge"),
            "judge": Machine(instance="g6.xlarge"),
            "serve": Machine(instance="g6.12xlarge"),
        },
        description="what each kind of GPU work runs on; the node pools must offer the same",
    )
    cpu_core_hour_usd: float = Field(default=CPU_CORE_HOUR_USD, ge=0, description="pods without GPUs pay their cores …")
    memory_gib_hour_usd: float = Field(default=MEMORY_GIB_HOUR_USD, ge=0, description="… and their memory")
    train_gpus: int = Field(default=0, ge=0, description="GPUs of the pod that trains with TRL; 0: it runs on a CPU")
    train_step_s: dict[Literal["trl", "nemo-rl"], dict[Literal["dpo", "grpo"], float]] = Field(
        default={}, description="expected seconds of one optimizer step by trainer and method; without GPUs: measured on the embedded model"
    )
    monthly_usd_limit: float = Field(default=0.0, ge=0, description="no training starts that could exceed it in a UTC month; 0: no limit")
    monthly_gpu_hours_limit: float = Field(default=0.0, ge=0, description="the same in GPU hours; 0: no limit")

    @field_validator("instances", "machines", mode="before")
    @classmethod
    def _laid_on_defaults(cls, entries: Any, info: ValidationInfo) -> Any:
        """A file names only what differs, so that one Spot price does not repeat the whole table."""
        if not isinstance(entries, dict):
            return entries
        field = cls.model_fields[str(info.field_name)]
        merged = {name: entry.model_dump() for name, entry in field.get_default().items()}
        for name, entry in entries.items():
            known = merged.get(name, {})
            if isinstance(entry, dict):
                entry = known | entry | ({"hour_usd": known.get("hour_usd", {}) | entry["hour_usd"]} if "hour_usd" in entry else {})
            merged[name] = entry
        return merged

    @model_validator(mode="after")
    def _priced(self) -> CostConfig:
        for work, machine in self.machines.items():
            if machine.instance not in self.instances:
                raise ValueError(f"machines.{work}: {machine.instance!r} has no price: add it to cost.instances")
        if any(seconds <= 0 for methods in self.train_step_s.values() for seconds in methods.values()):
            raise ValueError("train_step_s: seconds must be above 0")
        if self.train_gpus and {"dpo", "grpo"} - self.train_step_s.get("trl", {}).keys():
            raise ValueError("train_step_s.trl must say dpo and grpo when train_gpus is above 0: the embedded model's mean nothing there")
        if self.train_gpus and not self.instances[self.machines["train"].instance].gpus:
            raise ValueError(f"machines.train: {self.machines['train'].instance} has no GPU, and train_gpus is {self.train_gpus}")
        return self
