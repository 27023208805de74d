{{- define "kgateway.labels" -}}
{{- include "common.labels" (dict "root" . "name" .Values.serving.gateway.name) -}}
{{- end }}

{{- /* In the routes' namespace, which is also the Services': no ReferenceGrant is needed. */ -}}
{{- define "kgateway.routeMetadata" -}}
namespace: {{ .Values.serving.namespace }}
labels:
  {{- include "kgateway.labels" . | nindent 2 }}
annotations:
  argocd.argoproj.io/sync-wave: "0"
{{- end }}

{{- define "kgateway.gatewayMetadata" -}}
name: {{ .Values.serving.gateway.name }}
namespace: {{ .Values.serving.gateway.namespace }}
labels:
  {{- include "kgateway.labels" . | nindent 2 }}
{{- end }}

{{- define "kgateway.managed" -}}
{{- if eq .Values.serving.gateway.implementation "kgateway" }}true{{ end -}}
{{- end }}

{{- define "kgateway.parent" -}}
parentRefs:
  - group: gateway.networking.k8s.io
    kind: Gateway
    name: {{ .Values.serving.gateway.name }}
    namespace: {{ .Values.serving.gateway.namespace }}
    sectionName: {{ ternary "https" "http" (ne .Values.serving.gateway.tls.secretName "") }}
{{- with .Values.serving.gateway.hostnames }}
hostnames:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "kgateway.timeouts" -}}
timeouts:
  request: {{ .Values.serving.gateway.timeouts.request }}
  backendRequest: {{ .Values.serving.gateway.timeouts.request }}
{{- end }}
