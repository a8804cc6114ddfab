#include "common/device.h"

/* The emulator's clocks always run. */
void soc_start(void) {
}
