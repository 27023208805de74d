"""`ctp serve …`: the servers of the loop. Bodies only parse and call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steps.cli.options import ConfigOption, SetOption, load_settings
from steps.serve.gateway.kube_gateway import serve_kube_gateway
from steps.serve.gateway.local_gateway import serve_gateway
from steps.serve.judge.server import serve_judge
from steps.serve.model.server import serve_model
from steps.serve.quality.counters import METRICS
from steps.serve.quality.exporter import serve_quality

serve = typer.Typer(help="Run one of the servers of the loop.", no_args_is_help=True)

PortOption = Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)]
HostOption = Annotated[str, typer.Option(help="Address to listen on.")]
PortFileOption = Annotated[Path | None, typer.Option(help="Write the real port here once bound.", show_default=False)]
WatchOption = Annotated[bool, typer.Option("--watch-stdin", help="Exit when standard input closes, so that no server outlives its parent.")]


@serve.command("judge")
def serve_judge_command(
    port: PortOption = 8001, host: HostOption = "127.0.0.1", port_file: PortFileOption = None, watch_stdin: WatchOption = False
) -> None:
    """Offline OpenAI-compatible judge: deterministic lexical entailment, no model."""
    serve_judge(port, host=host, port_file=port_file, watch_stdin=watch_stdin)


@serve.command("model")
def serve_model_command(
    model: Annotated[str, typer.Option(help="Folder of a saved model, file:///FOLDER#sha256:DIGEST, or a Hugging Face id.")],
    port: PortOption = 8000,
    host: HostOption = "127.0.0.1",
    served_model_name: Annotated[str, typer.Option(help="Name that clients ask for.")] = "agent-model",
    model_version: Annotated[str, typer.Option(help="Registry version, shown in spans and headers.")] = "",
    pod_template_hash: Annotated[
        str, typer.Option(envvar="CTP_POD_TEMPLATE_HASH", help="Label rollouts-pod-template-hash of this pod, shown in spans.")
    ] = "",
    spans_dir: Annotated[
        Path | None, typer.Option(help="Folder of OTLP span files; default: none are written.", show_default=False)
    ] = None,
    settle_s: Annotated[
        float, typer.Option(help="Seconds in which new requests are still answered after the signal to stop.", min=0)
    ] = 0.25,
    fault: Annotated[
        str,
        typer.Option(envvar="CTP_FAULT", help="Fail on purpose (game days): latency=800ms, errors=0.2, noise=2, with commas."),
    ] = "",
    threads: Annotated[int, typer.Option(help="CPU threads of the computation.", min=1)] = 1,
    port_file: PortFileOption = None,
    watch_stdin: WatchOption = False,
) -> None:
    """Any Hugging Face causal model behind the OpenAI chat protocol."""
    serve_model(
        model,
        port,
        host=host,
        served_model_name=served_model_name,
        model_version=model_version,
        pod_template_hash=pod_template_hash,
        spans_dir=spans_dir,
        settle_s=settle_s,
        fault=fault,
        port_file=port_file,
        watch_stdin=watch_stdin,
        threads=threads,
    )


@serve.command("gateway")
def serve_gateway_command(
    config_dir: Annotated[Path, typer.Option(help="Folder for Envoy's documents; weights are changed through it.")],
    stable: Annotated[str, typer.Option(help="host:port of the stable model server.")] = "",
    canary: Annotated[str, typer.Option(help="host:port of the canary; empty: none.")] = "",
    canary_percent: Annotated[int, typer.Option(help="Percentage of requests for the canary at start.", min=0, max=100)] = 0,
    http_route: Annotated[
        list[str] | None,
        typer.Option(help="NAMESPACE/NAME of an HTTPRoute of the cluster to follow, in place of --stable; repeatable.", show_default=False),
    ] = None,
    port: PortOption = 8080,
    host: HostOption = "127.0.0.1",
    admin_port: Annotated[int, typer.Option(help="Port of Envoy's admin interface; 0 takes a free one.", min=0, max=65535)] = 0,
    metrics_port: Annotated[int, typer.Option(help="With --http-route: port that shows Envoy's counters.", min=0, max=65535)] = 9091,
    threads: Annotated[int, typer.Option(help="Worker threads of Envoy.", min=1)] = 1,
    port_file: PortFileOption = None,
    watch_stdin: WatchOption = False,
) -> None:
    """A real Envoy in front of stable and canary, with weights that change live."""
    if bool(stable) == bool(http_route):
        raise typer.BadParameter("give either --stable HOST:PORT or --http-route NAMESPACE/NAME")
    if http_route:
        serve_kube_gateway(
            port,
            config_dir=config_dir,
            http_routes=http_route,
            host=host,
            admin_port=admin_port,
            metrics_port=metrics_port,
            port_file=port_file,
            watch_stdin=watch_stdin,
            threads=threads,
        )
        return
    serve_gateway(
        port,
        config_dir=config_dir,
        stable=stable,
        canary=canary,
        canary_percent=canary_percent,
        host=host,
        admin_port=admin_port,
        port_file=port_file,
        watch_stdin=watch_stdin,
        threads=threads,
    )


@serve.command("quality")
def serve_quality_command(
    spans_dir: Annotated[
        list[Path] | None, typer.Option(help="Folder of OTLP span files to follow; repeatable.", show_default=False)
    ] = None,
    otlp_port: Annotated[
        int | None, typer.Option(help="Take spans from a collector here (OTLP/HTTP).", min=0, max=65535, show_default=False)
    ] = None,
    port: PortOption = 9400,
    host: HostOption = "127.0.0.1",
    config: ConfigOption = None,
    overrides: SetOption = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="What is scored: faithfulness or answer_relevancy; default: both.", show_default=False),
    ] = None,
    max_per_s: Annotated[float, typer.Option(help="Answers scored a second, for each version.", min=0.01)] = 20.0,
    max_per_version: Annotated[int, typer.Option(help="Answers scored in all, for each version; 0: no bound.", min=0)] = 0,
    quiet_s: Annotated[
        float | None,
        typer.Option(help="A trace is whole after so many quiet seconds; default: 0.3, with --otlp-port 15.", min=0, show_default=False),
    ] = None,
    replay: Annotated[bool, typer.Option("--replay", help="Count what the files hold already, too.")] = False,
    port_file: PortFileOption = None,
    watch_stdin: WatchOption = False,
) -> None:
    """Score live answers with the gate's judge and export sums and counts for each version."""
    serve_quality(
        load_settings(config, overrides),
        port,
        spans_dir or (),
        otlp_port=otlp_port,
        host=host,
        metrics=metric or METRICS,
        max_per_s=max_per_s,
        max_per_version=max_per_version,
        quiet_s=quiet_s,
        replay=replay,
        port_file=port_file,
        watch_stdin=watch_stdin,
    )
