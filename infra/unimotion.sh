#!/bin/sh
# What dvc.yaml calls: `unimotion`, wherever DVC runs it. DVC sets DVC_ROOT to the repository, also while the working
# folder is one of the copies in which `dvc exp run --temp` and `--queue` try experiments. The code is that of the copy;
# the environment is the repository's, or else the active one; the workspace is the copy's own, and begins with the data
# of the repository's.
set -eu
root=${DVC_ROOT:-.}
python=$root/.venv/bin/python
if [ ! -x "$python" ]; then
    if ! command -v unimotion >/dev/null; then
        echo "unimotion: there is no $root/.venv, and no active environment has it; run \`make .venv/ready\`" >&2
        exit 1
    fi
    python=python
fi
export PYTHONPATH="$PWD" UNIMOTION_WORKSPACE=workspace UNIMOTION_PARAMS=params.yaml
if [ ! "$root" -ef . ]; then
    "$python" -m pipelines.cli borrow "$root/workspace"
fi
exec "$python" -m pipelines.cli "$@"
