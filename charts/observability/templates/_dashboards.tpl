{{- /*
The canary's dashboard with one panel for each analysis of this environment: its own query, its own limit.
The file has one panel titled "@analysis" as their pattern. dict: root, text.
*/ -}}
{{- define "observability.dashboard" -}}
{{- $dashboard := fromJson .text -}}
{{- $panels := list -}}
{{- $place := 0 -}}
{{- range $panel := $dashboard.panels -}}
{{- if ne $panel.title "@analysis" -}}
{{- $panels = append $panels $panel -}}
{{- else -}}
{{- range $analysis := $.root.Values.derived.canary.analyses -}}
{{- range $metric := $analysis.background -}}
{{- $own := deepCopy $panel -}}
{{- $limit := regexFind "-?[0-9.]+$" $metric.successCondition | float64 -}}
{{- $falls := contains "result[0] >= " $metric.successCondition -}}
{{- $query := $metric.query -}}
{{- range $argument := $.root.Values.derived.canary.arguments -}}
{{- $query = replace (printf "{{args.%s}}" $argument) (printf "$%s" (replace "-" "_" $argument)) $query -}}
{{- end -}}
{{- $_ := set $own "id" (add (int $panel.id) $place | int) -}}
{{- $_ := set $own "title" (printf "Analysis %s" $metric.name) -}}
{{- $_ := set $own "description" (printf "%s The analysis passes where: %s" $panel.description $metric.successCondition) -}}
{{- $_ := set $own "gridPos" (dict "h" 8 "w" 8 "x" (mul 8 (mod $place 3) | int) "y" (add (int $panel.gridPos.y) (mul 8 (div $place 3)) | int)) -}}
{{- $_ := set (index $own.targets 0) "expr" $query -}}
{{- $red := dict "color" "red" "value" $limit -}}
{{- $green := dict "color" "green" "value" nil -}}
{{- if $falls }}{{ $red = dict "color" "red" "value" nil }}{{ $green = dict "color" "green" "value" $limit }}{{ end -}}
{{- $_ := set $own.fieldConfig.defaults "thresholds" (dict "mode" "absolute" "steps" (ternary (list $red $green) (list $green $red) $falls)) -}}
{{- $panels = append $panels $own -}}
{{- $place = add1 $place | int -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := set $dashboard "panels" $panels -}}
{{- $dashboard | toPrettyJson -}}
{{- end }}

{{- /* dict: root, name. */ -}}
{{- define "observability.dashboardMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: ctp-dashboard-{{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "observability.labels" .root | nindent 4 }}
    {{ .root.Values.observability.dashboards.label }}: {{ .root.Values.observability.dashboards.labelValue | quote }}
  annotations:
    grafana_folder: {{ .root.Values.observability.dashboards.folder | quote }}
data:
  {{- $text := .root.Files.Get (printf "dashboards/%s.json" .name) }}
  ctp-{{ .name }}.json: |-
    {{- ternary (include "observability.dashboard" (dict "root" .root "text" $text)) $text (contains "@analysis" $text) | nindent 4 }}
{{- end }}
