#!/usr/bin/env bash
# A study on a Slurm cluster: starts Ray on the job's nodes, runs the study there, and stops Ray again.
#
#   sbatch cluster/slurm.sh fashion_mnist_cnn --data-dir "$HOME/data" --out "$SCRATCH/fashion"
#   sbatch cluster/slurm.sh --resume "$SCRATCH/fashion"
#
# A job that is put into the queue again (`scontrol requeue ID`, or after a node has failed) resumes its study. Without
# --out that is in hypertune-out/slurm-ID.
# The arguments are those of `hypertune compare`. The environment with hypertune must be active when the job
# is submitted, and with more than one node --out must be on a file system that all nodes share.
#SBATCH --job-name=hypertune
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=08:00:00
#SBATCH --output=hypertune-%j.log
# Five minutes before the time limit the study is interrupted, as by Ctrl-C, so that it can be resumed.
#SBATCH --signal=B:USR1@300
set -euo pipefail

if (($# == 0)); then
    echo "usage: sbatch $0 STUDY [options of hypertune compare] | --resume DIR" >&2
    exit 2
fi

# A token for this job that only its owner can read, since other users may be on these machines.
state="${HYPERTUNE_STATE:-$HOME/.hypertune}/slurm-$SLURM_JOB_ID"
(umask 077 && mkdir -p "$state" && python -c 'import secrets; print(secrets.token_hex(32))' >"$state/token")
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$state/token" RAY_USAGE_STATS_ENABLED=0
ulimit -n "$(ulimit -H -n)"

# Ports and folders depend on the job's number, so that jobs on one machine do not collide. This runs on the first node.
nodes=$SLURM_JOB_NUM_NODES
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address="$(hostname -I | cut -d ' ' -f 1):$((20000 + SLURM_JOB_ID % 10000))"
dashboard=$((30000 + SLURM_JOB_ID % 10000))
common=(--block "--num-cpus=${SLURM_CPUS_PER_TASK:-1}" --disable-usage-stats
    "--dashboard-agent-listen-port=$((50000 + SLURM_JOB_ID % 10000))")
pids=()
# shellcheck disable=SC2317 # called by the trap
stop_ray() {
    trap - USR1 TERM
    # Ends each step's Ray only; `ray stop` would also end those of the user's other jobs on a shared machine.
    kill "${pids[@]}" 2>/dev/null || true
    wait || true
    if [[ ${code:-} == 0 ]]; then # else Ray's logs there may say why
        timeout 60 srun --overlap --ntasks-per-node=1 rm -rf "/tmp/ray-$SLURM_JOB_ID" || true
    fi
    rm -r "$state"
}
trap stop_ray EXIT
study=
# TERM comes from scancel, 30 seconds before the end, to Ray's processes, too.
trap 'if [[ -n $study ]]; then kill -INT "$study" || true; else exit 130; fi' USR1 TERM

# The dashboard listens on its node only; from elsewhere use ssh -N -L 8265:127.0.0.1:PORT NODE
echo "dashboard: port $dashboard on $head, token in $state/token"
srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head "--node-ip-address=${address%:*}" "--port=${address#*:}" "--temp-dir=/tmp/ray-$SLURM_JOB_ID" \
    --dashboard-host=127.0.0.1 "--dashboard-port=$dashboard" \
    "--ray-client-server-port=$((40000 + SLURM_JOB_ID % 10000))" "${common[@]}" >&2 &
pids+=($!)
if ((nodes > 1)); then
    # shellcheck disable=SC2016 # expanded on the other nodes
    srun --overlap --nodes=$((nodes - 1)) --ntasks=$((nodes - 1)) --exclude="$head" \
        bash -c 'command -v ray >/dev/null || { echo "hypertune: no ray on $(hostname)" >&2; exit 1; }
            until ray health-check --address "$1" >/dev/null 2>&1; do sleep 2; done; shift; exec ray start "$@"' \
        _ "$address" "--address=$address" "${common[@]}" >&2 &
    pids+=($!)
fi
# The study counts the workers at its start, so wait for all nodes.
timeout 600 python - "$address" "$nodes" <<'PYTHON' &
import sys, time
import ray

address, nodes = sys.argv[1], int(sys.argv[2])
while True:
    try:
        ray.init(address, logging_level="ERROR", log_to_driver=False)
        break
    except ConnectionError:
        time.sleep(2)
while sum(node["Alive"] for node in ray.nodes()) < nodes:
    time.sleep(1)
PYTHON
pids+=($!)
if ! wait -n "${pids[@]}"; then # whichever ends first: the waiting, or a Ray that could not start
    echo "hypertune: Ray has not come up on $nodes node(s); what it said stands above" >&2
    exit 1
fi

# A job that is put into the queue again goes on with the study in its --out.
out= resumes=
for ((i = 1; i <= $#; i++)); do
    case ${!i} in
    --resume | --resume=*) resumes=yes ;;
    --out) ((++i > $#)) || out=${!i} ;;
    --out=*) out=${!i#--out=} ;;
    esac
done
if [[ -z $resumes && -z $out ]]; then
    out=hypertune-out/slurm-$SLURM_JOB_ID
    set -- "$@" --out "$out"
fi
if [[ -z $resumes ]] && ((${SLURM_RESTART_COUNT:-0} > 0)); then
    # The study file may be another one by now; only at a URL it is compared with what has been kept.
    if [[ -e $out/study.toml ]]; then set -- --resume "$out"; else set -- "$@" --or-resume; fi
fi
# A shell's background job ignores interrupts by default.
env --default-signal=INT hypertune compare "$@" --address "$address" &
study=$!
code=0
wait "$study" || code=$?
while kill -0 "$study" 2>/dev/null; do # a signal has ended the waiting, and not the study
    code=0
    wait "$study" || code=$?
done
exit "$code"
