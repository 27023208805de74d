{{- define "kgateway.local" -}}
{{- if eq .Values.serving.gateway.implementation "local" }}true{{ end -}}
{{- end }}

{{- /* The model servers let in pods of this label, as kgateway writes it on its proxies. */ -}}
{{- define "kgateway.localSelector" -}}
gateway.networking.k8s.io/gateway-name: {{ .Values.serving.gateway.name }}
app.kubernetes.io/component: local-gateway
{{- end }}

{{- define "kgateway.localRoutes" -}}
- --http-route={{ .Values.serving.namespace }}/{{ .Values.serving.name }}
{{- if .Values.serving.gateway.testers.value }}
- --http-route={{ .Values.serving.namespace }}/{{ .Values.serving.name }}-testers
{{- end }}
{{- end }}
