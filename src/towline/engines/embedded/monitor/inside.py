"""The program for what a normal user must do inside its user namespace: ``inside.py probe|delete FOLDER``.

``probe`` tries in an empty folder what a container's start needs; ``delete`` removes a folder whose files
belong to ids of the user's range. The outcome is the exit code; what went wrong is on standard error.
"""

import os
import shutil
import sys


def act(action: str, folder: str) -> int:
    """Do it; return the exit code."""
    sys.path.append(os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 4)))
    from towline.engines.embedded.monitor import kernel, namespaces  # noqa: PLC0415 - found by the line above

    try:
        namespaces.enter_user_namespace(namespaces.granted())
        if action == "delete":
            shutil.rmtree(folder)
            return 0
        for name in ("lower", "upper", "work", "root"):
            os.mkdir(f"{folder}/{name}")
        os.chdir(folder)
        options = "lowerdir=lower,upperdir=upper,workdir=work,userxattr"
        kernel.mount("overlay", "root", kind="overlay", options=options)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(act(sys.argv[1], sys.argv[2]))
