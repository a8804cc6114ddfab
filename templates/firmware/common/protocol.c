#include "protocol.h"

#include "device.h"

#define HEADER_BYTES 3
#define CRC_BYTES 4
#define CRC_START 0xFFFFFFFFu
/* What the CRC register holds after a whole frame, its own CRC included. */
#define CRC_RESIDUE 0xDEBB20E3u
#define MAX_BLOCK_BYTES 254

/* One byte, four bits at a time: the table of a whole byte would take 1 KiB of flash. */
static uint32_t crc_update(uint32_t crc, uint8_t byte) {
  static const uint32_t table[16] = {
      0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u,
      0x4DB26158u, 0x5005713Cu, 0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu,
      0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
  };
  crc ^= byte;
  crc = (crc >> 4) ^ table[crc & 15u];
  return (crc >> 4) ^ table[crc & 15u];
}

static struct {
  uint8_t buffer[64];
  size_t n_bytes;
  size_t next;
} input;

/* The next byte of the console, or -1 at the end of the input. */
static int read_byte(void) {
  if (input.next == input.n_bytes) {
    input.n_bytes = console_read(input.buffer, sizeof input.buffer);
    input.next = 0;
    if (input.n_bytes == 0) {
      return -1;
    }
  }
  return input.buffer[input.next++];
}

static struct {
  struct message *message;
  payload_sink sink;
  uint32_t crc;
  size_t n_bytes; /* of the body */
} body;

static void take_body_byte(uint8_t byte) {
  body.crc = crc_update(body.crc, byte);
  switch (body.n_bytes) {
    case 0:
      body.message->type = byte;
      break;
    case 1:
      body.message->sequence = byte;
      break;
    case 2:
      body.message->sequence |= (uint16_t)(byte << 8);
      break;
    default:
      body.sink(body.n_bytes - HEADER_BYTES, byte);
      break;
  }
  body.n_bytes++;
}

bool protocol_receive(struct message *message, payload_sink sink) {
  for (;;) {
    size_t n_left = 0;         /* bytes until the next code byte of COBS */
    bool zero_pending = false; /* whether the block before stands for a zero, too */
    int byte;

    body.message = message;
    body.sink = sink;
    body.crc = CRC_START;
    body.n_bytes = 0;
    while ((byte = read_byte()) > 0) {
      if (n_left > 0) {
        take_body_byte((uint8_t)byte);
        n_left--;
        continue;
      }
      if (zero_pending) {
        take_body_byte(0);
      }
      n_left = (size_t)byte - 1;
      zero_pending = byte != MAX_BLOCK_BYTES + 1;
    }
    if (byte < 0) {
      return false;
    }
    if (n_left == 0 && body.n_bytes >= HEADER_BYTES + CRC_BYTES && body.crc == CRC_RESIDUE) {
      message->payload_bytes = body.n_bytes - HEADER_BYTES - CRC_BYTES;
      return true;
    }
  }
}

/* One COBS block and its code byte. In RAM, because EasyDMA reads nothing else. */
static struct {
  uint8_t block[1 + MAX_BLOCK_BYTES];
  size_t n_bytes;
  uint32_t crc;
} output;

static void send_block(void) {
  output.block[0] = (uint8_t)(output.n_bytes + 1);
  console_write(output.block, output.n_bytes + 1);
  output.n_bytes = 0;
}

static void put_byte(uint8_t byte) {
  output.crc = crc_update(output.crc, byte);
  if (byte == 0) {
    send_block();
    return;
  }
  output.block[1 + output.n_bytes++] = byte;
  if (output.n_bytes == MAX_BLOCK_BYTES) {
    send_block();
  }
}

void protocol_put(const void *data, size_t n_bytes) {
  const uint8_t *bytes = data;
  for (size_t i = 0; i < n_bytes; i++) {
    put_byte(bytes[i]);
  }
}

void protocol_put_u8(uint8_t value) {
  put_byte(value);
}

void protocol_put_u32(uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) {
    put_byte((uint8_t)(value >> shift));
  }
}

void protocol_put_u64(uint64_t value) {
  protocol_put_u32((uint32_t)value);
  protocol_put_u32((uint32_t)(value >> 32));
}

static uint8_t delimiter = 0;

void protocol_begin(enum message_type type, uint16_t sequence) {
  output.n_bytes = 0;
  output.crc = CRC_START;
  console_write(&delimiter, 1);
  put_byte((uint8_t)type);
  put_byte((uint8_t)sequence);
  put_byte((uint8_t)(sequence >> 8));
}

void protocol_end(void) {
  protocol_put_u32(~output.crc);
  send_block();
  console_write(&delimiter, 1);
}
