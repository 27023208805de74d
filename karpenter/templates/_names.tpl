{{- define "karpenter.labels" -}}
{{- include "common.labels" (dict "root" . "name" "karpenter-pools") -}}
{{- end }}

{{- define "karpenter.gpuTaint" -}}
{key: nvidia.com/gpu, value: "true", effect: NoSchedule}
{{- end }}

{{- /* What every node class says: image, role, network, IMDSv2, tags. */ -}}
{{- define "karpenter.nodeClass" -}}
{{- $k := .Values.karpenter -}}
role: {{ required "karpenter.nodeRole is empty: name the IAM role of the nodes" $k.nodeRole }}
amiSelectorTerms:
  - {alias: {{ $k.amiAlias | quote }}}
subnetSelectorTerms:
  - tags: {karpenter.sh/discovery: {{ required "karpenter.clusterName is empty: name the EKS cluster" $k.clusterName | quote }}}
securityGroupSelectorTerms:
  - tags: {karpenter.sh/discovery: {{ $k.clusterName | quote }}}
associatePublicIPAddress: false
metadataOptions:
  httpEndpoint: enabled
  # A pod does not reach the node's role.
  httpPutResponseHopLimit: 1
  httpTokens: required
tags:
  ctp.dev/part-of: ctp
  {{- with $k.tags }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* The root volume. dict: root, size. */ -}}
{{- define "karpenter.volume" -}}
blockDeviceMappings:
  - deviceName: /dev/xvda
    ebs:
      volumeSize: {{ .size }}
      volumeType: gp3
      encrypted: true
      deleteOnTermination: true
      {{- with .root.Values.karpenter.kmsKeyId }}
      kmsKeyID: {{ . | quote }}
      {{- end }}
{{- end }}

{{- /* A pool of GPU machines that differ in type, capacity and limits only. dict: root, name, pool. */ -}}
{{- define "karpenter.gpuPool" -}}
apiVersion: karpenter.sh/v1
kind: NodePool
metadata:
  name: ctp-{{ .name }}
  labels:
    {{- include "karpenter.labels" .root | nindent 4 }}
spec:
  template:
    metadata:
      labels:
        ctp.dev/pool: {{ .name }}
    spec:
      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: ctp-gpu}
      expireAfter: 336h
      terminationGracePeriod: 1h
      taints:
        - {{ include "karpenter.gpuTaint" . }}
      requirements:
        - {key: karpenter.sh/capacity-type, operator: In, values: {{ toJson .pool.capacityTypes }}}
        - {key: node.kubernetes.io/instance-type, operator: In, values: {{ toJson .pool.instanceTypes }}}
  disruption:
    # Moving a model server costs minutes of loading: only empty nodes go.
    consolidationPolicy: WhenEmpty
    consolidateAfter: {{ .pool.consolidateAfter }}
    budgets:
      - {nodes: "1", reasons: [Drifted]}
      - {nodes: "100%", reasons: [Empty]}
  limits:
    {{- toYaml .pool.limits | nindent 4 }}
{{- end }}
