#!/bin/bash
#SBATCH --job-name=cssr --nodes=4 --ntasks-per-node=1 --cpus-per-task=16 --gpus-per-node=4
#SBATCH --exclusive --requeue
# In the repo, on a disk that all nodes share:
#   sbatch docs/cluster/slurm.sh [ARGUMENTS OF python -m cluster]
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 RAY_grpc_client_keepalive_time_ms=15000
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n') # of this job alone
export RAY_AUTH_TOKEN
source .venv/bin/activate
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 10000))
exec srun ray symmetric-run --address "$head:$port" --min-nodes "$SLURM_JOB_NUM_NODES" \
  --num-cpus "$SLURM_CPUS_PER_TASK" -- \
  python -m cluster --address "$head:$port" --state "$PWD/state" "$@"
