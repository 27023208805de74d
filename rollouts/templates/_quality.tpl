{{- /* The judges' network policy lets in pods of this name. */ -}}
{{- define "rollouts.qualitySelector" -}}
{{- include "common.selectorLabels" (dict "name" "ctp-quality") -}}
{{- end }}

{{- define "rollouts.qualityMetadata" -}}
name: ctp-quality
namespace: {{ .Values.serving.namespace }}
labels:
  {{- include "common.labels" (dict "root" . "name" "ctp-quality" "component" "quality") | nindent 2 }}
{{- end }}

{{- /* What the exporter reads of the pipeline's configuration: the judge and the gates before it. */ -}}
{{- define "rollouts.qualityConfig" -}}
{{- $pipeline := .Values.derived.pipeline }}
{{- toYaml (dict "model_name" $pipeline.model_name "reward_judge" $pipeline.reward_judge "gate_judge" $pipeline.gate_judge "govern" $pipeline.govern) }}
{{- end }}

{{- /* An egress rule to where a URL points: HOST is of the own namespace, HOST.NAMESPACE… of that one, anything else is outside.
Policies see the port before or after the Service's translation, by plugin, so podPorts are open too. */ -}}
{{- define "rollouts.egressTo" -}}
{{- $url := urlParse .url }}
{{- $host := regexReplaceAll ":[0-9]+$" $url.host "" }}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (ternary "443" "80" (eq $url.scheme "https")) }}
{{- $parts := splitList "." $host }}
- ports:
    - {protocol: TCP, port: {{ $port }}}
    {{- range without .podPorts (int $port) }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  to:
    {{- if or (le (len $parts) 2) (and (ge (len $parts) 3) (eq (index $parts 2) "svc")) }}
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ if eq (len $parts) 1 }}{{ .namespace }}{{ else }}{{ index $parts 1 }}{{ end }}
    {{- else }}
    - ipBlock: {cidr: 0.0.0.0/0}
    {{- end }}
{{- end }}
