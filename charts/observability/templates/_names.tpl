{{- define "observability.labels" -}}
{{- include "common.labels" (dict "root" . "name" "observability") -}}
{{- end }}

{{- /* dict: root, name. */ -}}
{{- define "observability.rule" -}}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: ctp-{{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "observability.labels" .root | nindent 4 }}
    {{- with .root.Values.serving.monitoring.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- /* Where runbooks are read: what Argo CD reads. */ -}}
{{- define "observability.runbooks" -}}
{{- $release := .Values.derived.pipeline.release -}}
{{- $repo := .Values.rootApp.repo -}}
{{- $url := required "rootApp.repo.url and pipeline.release.repository are empty: alerts cannot say where their runbooks are" (default $release.repository $repo.url) -}}
{{- printf "%s/blob/%s/docs/runbooks" (trimSuffix ".git" $url) (default $release.branch $repo.revision) -}}
{{- end }}

{{- /* Labels and annotations of an alert. dict: root, severity, runbook, summary, description. */ -}}
{{- define "observability.alert" -}}
labels:
  severity: {{ .severity }}
  team: ctp
annotations:
  summary: {{ .summary | quote }}
  description: {{ .description | quote }}
  runbook_url: {{ printf "%s/%s.md" (include "observability.runbooks" .root) .runbook | quote }}
{{- end }}

{{- /* Envoy's name of a Service. dict: root, track (stable or canary). */ -}}
{{- define "observability.cluster" -}}
{{- $serving := .root.Values.serving -}}
kube_{{ $serving.namespace }}_{{ $serving.name }}-{{ .track }}_{{ $serving.port }}
{{- end }}

{{- /* Name a client asks a judge by. dict: root, name. */ -}}
{{- define "observability.judgeModel" -}}
{{- $pipeline := .root.Values.derived.pipeline -}}
{{- if eq .name "reward-judge" }}{{ $pipeline.reward_judge.model }}
{{- else if eq .name "gate-judge" }}{{ $pipeline.gate_judge.model }}
{{- else }}{{ $pipeline.reward_judge.embedding_model }}
{{- end }}
{{- end }}

{{- /* A number without an exponent, as PromQL reads it. */ -}}
{{- define "observability.number" -}}
{{- $text := printf "%.6f" (. | float64) -}}
{{- regexReplaceAll "\\.?0+$" $text "" -}}
{{- end }}
