"""What the tasks do, through the Azure ML SDK and nothing else."""

import os

# pydantic reads this when it is imported. It would look for plug-ins in all that is installed: 30 ms a task, for none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
