{{- define "strandline.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "strandline.selector" -}}
app.kubernetes.io/name: strandline
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "strandline.labels" -}}
{{ include "strandline.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* The cluster id: a whole number from 1 on. Everything else is refused here, not rounded to 0. */}}
{{- define "strandline.clusterId" -}}
{{- $id := .Values.cluster.id -}}
{{- $text := kindIs "string" $id | ternary (toString $id) (printf "%d" (int64 $id)) -}}
{{- $isWhole := or (kindIs "string" $id) (kindIs "int" $id) (kindIs "int64" $id) (and (kindIs "float64" $id) (eq (float64 (int64 $id)) (float64 $id))) -}}
{{- if not (and $isWhole (regexMatch "^[1-9][0-9]{0,17}$" $text)) -}}
{{- fail (printf "cluster.id is %v: give the cluster a whole number from 1 on; it stands in every destination and can never be changed" $id) -}}
{{- end -}}
{{- $text -}}
{{- end }}

{{- define "strandline.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* gRPC addresses of the schedulers, one per line: "<ordinal> <address>". */}}
{{- define "strandline.schedulerAddress" -}}
{{ printf "%s-scheduler-%d.%s-scheduler.%s.svc:%d" (include "strandline.name" .root) (int .ordinal) (include "strandline.name" .root) .root.Release.Namespace (int .root.Values.scheduler.ports.grpc) }}
{{- end }}

{{/* The name of a destination's volume in a pod. A claim template takes the place of a volume that has its name, without a
word: a destination called "data" would be the server's own disk, another one on every server. */}}
{{- define "strandline.destination" -}}
{{- if not .name }}{{ fail "destinations.volumes[]: every volume needs a name" }}{{ end -}}
{{- if has .name (list "data" "config" "tmp") }}
{{- fail (printf "destinations.volumes[]: the name %q is that of a server's own volume: choose another one, for example \"backups\"" .name) }}
{{- end -}}
{{- if not .source }}{{ fail (printf "destinations.volumes[]: volume %q has no source, for example {persistentVolumeClaim: {claimName: backups}}" .name) }}{{ end -}}
{{- $path := trimSuffix "/" (toString .mountPath) }}
{{- range $own := list "/var/lib/strandline" "/etc/strandline" "/tmp" }}
{{- if or (eq $path $own) (hasPrefix (print $own "/") $path) (eq $path "") }}
{{- fail (printf "destinations.volumes[]: volume %q cannot be mounted at %q: the servers keep their own files there" $.name $.mountPath) }}
{{- end }}
{{- end -}}
dest-{{ .name }}
{{- end }}

{{/* What every server's container has beside its own ports and command. */}}
{{- define "strandline.container" -}}
image: {{ include "strandline.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
env:
  - name: RUST_LOG
    value: {{ .root.Values.logFilter | quote }}
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
{{- $names := list }}
{{- range .root.Values.destinations.secrets }}{{ if .env }}{{ $names = append $names .name }}{{ end }}{{ end }}
{{- if $names }}
envFrom:
{{- range $names }}
  - secretRef:
      name: {{ . }}
{{- end }}
{{- end }}
# A server opens its ports after it has recovered its log.
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 2
  failureThreshold: 150
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 2
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - name: data
    mountPath: /var/lib/strandline
  - name: config
    mountPath: /etc/strandline/config
    readOnly: true
  - name: tmp
    mountPath: /tmp
{{- range .root.Values.destinations.volumes }}
  - name: {{ include "strandline.destination" . }}
    mountPath: {{ .mountPath }}
{{- end }}
{{- range .root.Values.destinations.secrets }}
  - name: secret-{{ .name }}
    mountPath: /etc/strandline/destinations/{{ .name }}
    readOnly: true
{{- end }}
{{- end }}

{{/* What every server's pod has beside its container. */}}
{{- define "strandline.pod" -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
automountServiceAccountToken: false
terminationGracePeriodSeconds: 30
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .root.Values.runAs.user }}
  runAsGroup: {{ .root.Values.runAs.group }}
  fsGroup: {{ .root.Values.runAs.group }}
  seccompProfile: {type: RuntimeDefault}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
{{ include "strandline.selector" . | indent 14 }}
{{- with .values.nodeSelector }}
nodeSelector:
{{ toYaml . | indent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
{{ toYaml . | indent 2 }}
{{- end }}
volumes:
  - name: config
    configMap:
      name: {{ include "strandline.name" .root }}-config
  - name: tmp
    emptyDir: {}
{{- range .root.Values.destinations.volumes }}
  - name: {{ include "strandline.destination" . }}
{{ toYaml .source | indent 4 }}
{{- end }}
{{- range .root.Values.destinations.secrets }}
  - name: secret-{{ .name }}
    secret:
      secretName: {{ .name }}
      defaultMode: 0440
{{- end }}
{{- end }}

{{- define "strandline.claim" -}}
- metadata:
    name: data
  spec:
    accessModes: [ReadWriteOnce]
{{- with .className }}
    storageClassName: {{ . }}
{{- end }}
    resources:
      requests:
        storage: {{ .size }}
{{- end }}
