{{- define "telemetry.selector" -}}
app.kubernetes.io/name: otel-collector
app.kubernetes.io/component: gateway
{{- end }}

{{- define "telemetry.labels" -}}
{{ include "telemetry.selector" . }}
app.kubernetes.io/part-of: ctp
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* Bucket and folder of the raw spans, out of what ingest reads. */ -}}
{{- define "telemetry.raw" -}}
{{- $found := "" -}}
{{- range .Values.derived.pipeline.ingest.sources -}}
{{- if and (hasPrefix "s3://" .) (hasSuffix "/otlp" .) }}{{ $found = . }}{{ end -}}
{{- end -}}
{{- $parts := splitn "/" 2 (trimPrefix "s3://" (required "pipeline.ingest.sources has no s3://…/otlp: the collector would write where nobody reads" $found)) -}}
bucket: {{ $parts._0 }}
prefix: {{ $parts._1 }}
{{- end }}

{{- define "telemetry.region" -}}
{{- required "telemetry.region is empty: name the region of bucket and data" .Values.telemetry.region -}}
{{- end }}

{{- /* A queue on the volume. dict: bytes. */ -}}
{{- define "telemetry.queue" -}}
enabled: true
storage: file_storage/queue
sizer: bytes
queue_size: {{ .bytes | int64 }}
num_consumers: 4
{{- end }}
