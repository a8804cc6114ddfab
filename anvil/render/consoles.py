"""The device's serial console: which files drive it, and the numbers that they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import Diagnostic
from anvil.core.target import ClockedConsole, Console

if TYPE_CHECKING:
    from collections.abc import Mapping

# BAUDRATE of Nordic's UARTE: the register's own values, as the product specification lists
# them; they follow no formula exactly.
_UARTE_BAUDRATE = {
    9600: 0x00275000,
    19200: 0x004EA000,
    38400: 0x009D0000,
    57600: 0x00EB0000,
    115200: 0x01D60000,
    230400: 0x03B00000,
    250000: 0x04000000,
    460800: 0x07400000,
    921600: 0x0F000000,
    1000000: 0x10000000,
}

# The same of the nRF51's UART, from its reference manual: the last digits differ.
_UART_BAUDRATE = {
    9600: 0x00275000,
    19200: 0x004EA000,
    38400: 0x009D5000,
    57600: 0x00EBF000,
    115200: 0x01D7E000,
    230400: 0x03AFB000,
    250000: 0x04000000,
    460800: 0x075F7000,
    921600: 0x0EBED000,
    1000000: 0x10000000,
}
_BAUDRATES = {"uarte": _UARTE_BAUDRATE, "nrf-uart": _UART_BAUDRATE}

# The least and the greatest divider: BAUDDIV of the Cortex-M System Design Kit's UART (its
# Technical Reference Manual, 4.4), and div + 1 of SiFive's (FE310-G002 Manual, UART).
_DIVIDERS = {"cmsdk-uart": (16, (1 << 20) - 1), "sifive-uart": (16, 1 << 16)}
# Both ends sample in the middle of a bit: ten bits may drift by half of one, at two clocks.
_MAX_RATE_ERROR = 0.02

_PINS_PER_PORT = 32

# Plain files under templates/, at the same path in the project, by the console's kind. A chip's
# clocks, its counter of cycles and its serial port come together: nobody but Nordic has UARTE.
_FILES = {
    "uarte": (
        "firmware/device/console_uarte.c",
        "firmware/device/counter_cycles.c",
        "firmware/device/soc_nrf52.c",
    ),
    "nrf-uart": (
        "firmware/common/timer_nrf51.h",
        "firmware/device/console_uart.c",
        "firmware/device/counter_timer.c",
        "firmware/device/soc_nrf51.c",
    ),
    "cmsdk-uart": (
        "firmware/device/console_cmsdk.c",
        "firmware/device/counter_cycles.c",
        "firmware/device/soc_mps3.c",
    ),
    "sifive-uart": (
        "firmware/device/console_sifive.c",
        "firmware/device/counter_mcycle.c",
        "firmware/device/soc_fe310.c",
    ),
}


def console_files(console: Console | ClockedConsole) -> Mapping[str, str]:
    """The driver's files: path in the project -> plain file under templates/."""
    return {path: path for path in _FILES[console.kind]}


def console_values(console: Console | ClockedConsole) -> dict[str, Any]:
    """What templates say of a console without problems."""
    values: dict[str, Any] = {
        "has_pins": isinstance(console, Console),
        "console_base": f"0x{console.base:08X}",
        "baud": console.baud,
    }
    if isinstance(console, ClockedConsole):
        return values | {"baud_divider": _divider(console)}
    tx_port, tx_pin = divmod(console.tx_pin, _PINS_PER_PORT)
    rx_port, rx_pin = divmod(console.rx_pin, _PINS_PER_PORT)
    return values | {
        "tx_port": tx_port,
        "tx_pin": tx_pin,
        "tx_name": f"P{tx_port}.{tx_pin:02}",
        "rx_port": rx_port,
        "rx_pin": rx_pin,
        "rx_name": f"P{rx_port}.{rx_pin:02}",
        "baudrate_register": f"0x{_BAUDRATES[console.kind][console.baud]:08X}",
    }


def console_problems(target: str, console: Console | ClockedConsole) -> list[Diagnostic]:
    """What no driver here can do."""
    problems = []
    if console.kind not in _FILES:
        problems.append(
            Diagnostic(
                code="target.console",
                message=f"target {target} has a console of kind {console.kind!r}",
                path="console.kind",
                hint=f"the kinds that have a driver are {' and '.join(sorted(_FILES))}",
            )
        )
    if isinstance(console, ClockedConsole):
        divider = _divider(console)
        least, greatest = _DIVIDERS.get(console.kind, (1, 0))
        is_possible = (
            least <= divider <= greatest
            and abs(console.clock_hz / divider / console.baud - 1) <= _MAX_RATE_ERROR
        )
        message = f"no divider of {console.clock_hz} Hz gives {console.baud} baud"
        hint = "choose a lower rate"
    else:
        rates = _BAUDRATES.get(console.kind, _UARTE_BAUDRATE)
        is_possible = console.baud in rates
        message = f"Nordic's UART has no rate of {console.baud} baud"
        hint = f"choose one of {', '.join(map(str, sorted(rates)))}"
    if not is_possible:
        problems.append(
            Diagnostic(
                code="target.baud",
                message=f"target {target}: {message}",
                path="console.baud",
                hint=hint,
            )
        )
    return problems


def _divider(console: ClockedConsole) -> int:
    """The nearest."""
    return (2 * console.clock_hz + console.baud) // (2 * console.baud)
