"""What the code computed when it was last written down: `record.json`, how it is made, how two are compared."""

import os

# sums depend on the number of threads; this comes before torch and numpy are imported
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
