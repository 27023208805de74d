"""What a machine costs an hour: one table of instance type x capacity type, in US dollars.

A price that stands here stands nowhere else: estimates, bills, charts and dashboards take it from
`pipeline.cost.instances`.

Source: on-demand prices of us-east-1 as of 2026-01-19, Karpenter's generated table
    pkg/providers/pricing/zz_generated.pricing_aws.go. Sizes: https://aws.amazon.com/ec2/instance-types/.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from steps.contract.refs import Frozen

# As Karpenter's label karpenter.sh/capacity-type says it; reserved: a Capacity Block or reservation.
Capacity = Literal["on-demand", "spot", "reserved"]
HOUR_S = 3600.0


class Instance(Frozen):
    """One instance type."""

    gpus: int = Field(default=0, ge=0, description="whole GPUs of one machine; 0: none")
    gpu: str = Field(default="", description="their model, as Karpenter's label instance-gpu-name says it")
    vcpus: int = Field(ge=1, description="virtual cores")
    memory_gib: float = Field(gt=0, description="memory in GiB")
    hour_usd: dict[Capacity, float] = Field(description="capacity type -> US dollars an hour for the whole machine")
    source: str = Field(default="Karpenter's price table, us-east-1, 2026-01-19", description="where the prices come from")

    @model_validator(mode="after")
    def _priced(self) -> Instance:
        if "on-demand" not in self.hour_usd or any(price <= 0 for price in self.hour_usd.values()):
            raise ValueError("hour_usd must name on-demand, and every price must be above 0")
        return self

    def usd_an_hour(self, capacity: Capacity) -> float:
        """US dollars an hour for the whole machine.

        Without a price of its own, Spot and reserved capacity count as on-demand. For Spot that is
        an upper bound: EC2 never charges more for it (unless a request names a higher maximum).

        Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-requests.html
        """
        return self.hour_usd.get(capacity, self.hour_usd["on-demand"])

    def gpu_hour_usd(self, capacity: Capacity) -> float:
        """US dollars for one GPU of a machine that is wholly used; 0 without GPUs."""
        return self.usd_an_hour(capacity) / self.gpus if self.gpus else 0.0


class Machine(Frozen):
    """What one kind of GPU work runs on."""

    instance: str = Field(description="instance type, a key of `instances`")
    capacity: Capacity = Field(default="on-demand", description="how it is paid: on-demand, spot or reserved")


INSTANCES: dict[str, Instance] = {
    "p5en.48xlarge": Instance(gpus=8, gpu="h200", vcpus=192, memory_gib=2048, hour_usd={"on-demand": 63.296}),
    "p5.48xlarge": Instance(gpus=8, gpu="h100", vcpus=192, memory_gib=2048, hour_usd={"on-demand": 55.04}),
    "g6e.12xlarge": Instance(gpus=4, gpu="l40s", vcpus=48, memory_gib=384, hour_usd={"on-demand": 10.49264}),
    "g6e.xlarge": Instance(gpus=1, gpu="l40s", vcpus=4, memory_gib=32, hour_usd={"on-demand": 1.861}),
    "g6.12xlarge": Instance(gpus=4, gpu="l4", vcpus=48, memory_gib=192, hour_usd={"on-demand": 4.6016}),
    "g6.2xlarge": Instance(gpus=1, gpu="l4", vcpus=8, memory_gib=32, hour_usd={"on-demand": 0.9776}),
    "g6.xlarge": Instance(gpus=1, gpu="l4", vcpus=4, memory_gib=16, hour_usd={"on-demand": 0.8048}),
    "m7i.2xlarge": Instance(vcpus=8, memory_gib=32, hour_usd={"on-demand": 0.4032}),
    "c7i.2xlarge": Instance(vcpus=8, memory_gib=16, hour_usd={"on-demand": 0.357}),
}

# Two machines that differ in memory alone give the price of a GiB, and then that of a core.
MEMORY_GIB_HOUR_USD = 0.0028875  # (m7i.2xlarge - c7i.2xlarge) / 16 GiB
CPU_CORE_HOUR_USD = 0.03885  # (c7i.2xlarge - 16 GiB) / 8 cores
