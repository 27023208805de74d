{{- define "root-app.labels" -}}
{{- include "common.labels" (dict "root" . "name" "root-app") -}}
{{- end }}

{{- /* versions.env as a mapping; a link to the one of the repository. */ -}}
{{- define "root-app.versions" -}}
{{- range splitList "\n" (.Files.Get "versions.env") }}
{{- $line := trim . }}
{{- if and $line (not (hasPrefix "#" $line)) }}
{{- $pair := regexSplit "=" $line 2 }}
{{ index $pair 0 }}: {{ index $pair 1 | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- /* What a text of `values` or `namespace` may read. */ -}}
{{- define "root-app.text" -}}
{{- $context := dict "Values" .root.Values "versions" .versions "Template" .root.Template -}}
{{- tpl .text $context -}}
{{- end }}

{{- /* Enabled entries of `own` or `thirdParty`, as a mapping. */ -}}
{{- define "root-app.enabled" -}}
{{- range $name, $entry := . }}
{{- if ne (toString $entry.enabled) "false" }}
{{ $name }}: {{ $entry | toJson }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The policy of every Application. No RespectIgnoreDifferences: on a CRD it freezes whole arrays, so that a route's rules in Git would never arrive. */ -}}
{{- define "root-app.syncPolicy" -}}
{{- $sync := .root.Values.rootApp.sync }}
{{- if $sync.automated }}
automated: {prune: true, selfHeal: true}
{{- end }}
syncOptions:
  - ApplyOutOfSyncOnly=true
  - PruneLast=true
  {{- if .createNamespace }}
  - CreateNamespace=true
  {{- end }}
  {{- if .serverSideApply }}
  - ServerSideApply=true
  {{- end }}
# Of a newer commit if there is one: else a bad commit is tried for ever and its revert waits.
retry:
  limit: {{ $sync.retry.limit }}
  refresh: true
  backoff: {duration: {{ $sync.retry.firstWait }}, factor: 2, maxDuration: {{ $sync.retry.longestWait }}}
{{- end }}

{{- define "root-app.environment" -}}
{{- required "rootApp.environment is empty: name the folder of charts/environments" .Values.rootApp.environment -}}
{{- end }}

{{- define "root-app.repository" -}}
{{- .Values.rootApp.repo.url | default .Values.derived.pipeline.release.repository | required "rootApp.repo.url and pipeline.release.repository are empty: name the repository that Argo CD reads" -}}
{{- end }}

{{- define "root-app.revision" -}}
{{- .Values.rootApp.repo.revision | default .Values.derived.pipeline.release.branch -}}
{{- end }}

{{- /* Value files of an environment, from the repository's root. */ -}}
{{- define "root-app.valueFiles" -}}
{{- range .Values.rootApp.valueFiles }}
- /charts/environments/{{ include "root-app.environment" $ }}/{{ . }}
{{- end }}
{{- end }}

{{- /* What stands in two blocks must be the same: nothing else would tell before a release fails. */ -}}
{{- define "root-app.agreement" -}}
{{- $release := .Values.derived.pipeline.release }}
{{- if ne $release.rollout_namespace .Values.serving.namespace }}
{{- fail (printf "pipeline.release.rollout_namespace is %s, but serving.namespace is %s" $release.rollout_namespace .Values.serving.namespace) }}
{{- end }}
{{- if ne $release.rollout .Values.serving.name }}
{{- fail (printf "pipeline.release.rollout is %s, but serving.name is %s" $release.rollout .Values.serving.name) }}
{{- end }}
{{- if ne .Values.model.name .Values.derived.pipeline.model_name }}
{{- fail (printf "model.yaml pins %s, but pipeline.model_name is %s" .Values.model.name .Values.derived.pipeline.model_name) }}
{{- end }}
{{- $repo := .Values.rootApp.repo }}
{{- if and $release.repository $repo.url (ne $release.repository $repo.url) }}
{{- fail (printf "rootApp.repo.url is %s, but the release step writes to pipeline.release.repository %s" $repo.url $release.repository) }}
{{- end }}
{{- if and $release.repository $repo.revision (ne $release.branch $repo.revision) }}
{{- fail (printf "rootApp.repo.revision is %s, but the release step writes to pipeline.release.branch %s" $repo.revision $release.branch) }}
{{- end }}
{{- if ne $release.environment .Values.rootApp.environment }}
{{- fail (printf "pipeline.release.environment is %s, but rootApp.environment is %s" $release.environment .Values.rootApp.environment) }}
{{- end }}
{{- if .Values.rootApp.requireDigests }}
{{- range $key, $image := dict "workflows.image" .Values.workflows.image "workflows.train_image" .Values.workflows.train_image "workflows.nemo.image" (dig "nemo" "image" "" .Values.workflows) }}
{{- if and $image (not (contains "@sha256:" $image)) }}
{{- fail (printf "%s is %s: this environment runs digests only; push the image and write name@sha256:… there" $key $image) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
