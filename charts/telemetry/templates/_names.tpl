{{- define "telemetry.selector" -}}
{{- include "common.selectorLabels" (dict "name" "otel-collector" "component" "gateway") -}}
{{- end }}

{{- define "telemetry.labels" -}}
{{- include "common.labels" (dict "root" . "name" "otel-collector" "component" "gateway") -}}
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
