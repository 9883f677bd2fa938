#!/usr/bin/env bash
# A real Slurm on this machine alone: munge, slurmctld and slurmd on 127.0.0.1, with their own key,
# ports and folder, and all of it ended afterwards. Then the same sweep by job arrays, by Dask workers
# in jobs, and by one process, compared byte for byte (compare.py, which gets the arguments).
#
#   apt-get install slurmctld slurmd slurm-client munge
#   pip install 'lens-probes[dask,slurm]'
#   tests/slurm/run_on_loopback.sh                          # a tiny random model
#   tests/slurm/run_on_loopback.sh --model bundled --text speeches --layers 0-29
#
# As root. PYTHON names the interpreter (.venv/bin/python).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-$here/../../.venv/bin/python}
for command in munged slurmctld slurmd sbatch srun; do
  command -v "$command" >/dev/null || { echo "$command is missing: see the head of this script" >&2; exit 2; }
done
[[ $(id -u) = 0 ]] || { echo "slurmd needs root" >&2; exit 2; }

work=$(mktemp -d -t slurm-loopback.XXXXXX)
node=$(hostname -s)
daemons=()
finish() {
  for pid in "${daemons[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${daemons[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

mkdir -m 755 "$work/munge" "$work/state" "$work/spool" "$work/log"
(umask 077 && head -c 1024 /dev/urandom >"$work/munge/key")
munged --foreground --force --key-file="$work/munge/key" --socket="$work/munge/socket" \
  --pid-file="$work/munge/pid" --log-file="$work/munge/log" --seed-file="$work/munge/seed" &
daemons+=($!)

cat >"$work/slurm.conf" <<CONF
ClusterName=loopback
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=26817
SlurmdPort=26818
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/log/slurmctld
SlurmdLogFile=$work/log/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo) State=UNKNOWN
PartitionName=all Nodes=$node Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$work/slurm.conf
# Before the daemons: the jobs get this environment from the slurmd that starts them, too.
export HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1
slurmctld -D -f "$SLURM_CONF" >"$work/log/ctld.out" 2>&1 &
daemons+=($!)
slurmd -D -f "$SLURM_CONF" -N "$node" >"$work/log/d.out" 2>&1 &
daemons+=($!)

for _ in $(seq 120); do
  [[ $(sinfo -h -o %T 2>/dev/null) == idle ]] && break
  sleep 0.5
done
sinfo -o "%P %N %T %c processors" || { tail -n 20 "$work"/log/*; exit 1; }
sbatch --version
"$python" "$here/compare.py" --folder "$work/run" "$@" || { tail -n 20 "$work"/log/*; exit 1; }
echo "jobs that Slurm ran:"
scontrol show jobs | awk '/^JobId=/ {id = $1} /JobState=/ {print "  " id, $1}'
