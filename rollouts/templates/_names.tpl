{{- define "rollouts.labels" -}}
{{- include "common.labels" (dict "root" . "name" .Values.serving.name) -}}
{{- end }}

{{- /* Never changes: a Rollout's selector is immutable. */ -}}
{{- define "rollouts.selector" -}}
{{- include "common.selectorLabels" (dict "name" .Values.serving.name) -}}
{{- end }}

{{- define "rollouts.metadata" -}}
namespace: {{ .Values.serving.namespace }}
labels:
  {{- include "rollouts.labels" . | nindent 2 }}
{{- end }}

{{- /* Envoy's name of a Service's cluster, as kgateway writes it; takes (dict "side" "stable" "root" $). */ -}}
{{- define "rollouts.cluster" -}}
{{- printf "kube_%s_%s-%s_%v" .root.Values.serving.namespace .root.Values.serving.name .side .root.Values.serving.port -}}
{{- end }}

{{- define "rollouts.released" -}}
{{- if gt (int .Values.model.version) 0 }}true{{ end -}}
{{- end }}

{{- /* Arguments of every analysis. */ -}}
{{- define "rollouts.analysisArguments" -}}
- name: stable-hash
  valueFrom:
    podTemplateHashValue: Stable
- name: canary-hash
  valueFrom:
    podTemplateHashValue: Latest
{{- end }}
