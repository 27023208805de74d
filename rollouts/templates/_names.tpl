{{- define "rollouts.labels" -}}
app.kubernetes.io/part-of: ctp
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* Never changes: a Rollout's selector is immutable. */ -}}
{{- define "rollouts.selector" -}}
app.kubernetes.io/name: {{ .Values.serving.name }}
{{- end }}

{{- define "rollouts.metadata" -}}
namespace: {{ .Values.serving.namespace }}
labels:
  {{- include "rollouts.selector" . | nindent 2 }}
  {{- include "rollouts.labels" . | nindent 2 }}
{{- end }}

{{- /* Envoy's name of a Service's cluster, as kgateway writes it; takes (dict "side" "stable" "root" $). */ -}}
{{- define "rollouts.cluster" -}}
{{- printf "kube_%s_%s-%s_%v" .root.Values.serving.namespace .root.Values.serving.name .side .root.Values.serving.port -}}
{{- end }}

{{- define "rollouts.released" -}}
{{- if gt (int .Values.model.version) 0 }}true{{ end -}}
{{- end }}

{{- define "rollouts.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
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
