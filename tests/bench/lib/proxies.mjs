// SPDX-License-Identifier: MIT
// The programs compared: what each needs, its configuration, and how it is started. Every one runs
// on one processor, logs each request to a file, and keeps its connections to the provider alive.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { collect, family, freePort, start, stop, untilServing } from './process.mjs';

// Public names and what they are called at the provider; the provider knows both.
export const MODELS = { bench: 'bench-model', stream: 'stream-model', hold: 'hold-model' };

const LUA_CJSON = `
      rewrite_by_lua_block {
        local cjson = require "cjson"
        ngx.req.read_body()
        local body = cjson.decode(ngx.req.get_body_data())
        body.model = body.model .. "-model"
        ngx.req.set_body_data(cjson.encode(body))
      }`;

const LUA_GSUB = `
      rewrite_by_lua_block {
        ngx.req.read_body()
        local body = ngx.req.get_body_data()
        body = ngx.re.sub(body, [["model"\\s*:\\s*"([^"]*)"]], '"model":"$1-model"', "jo")
        ngx.req.set_body_data(body)
      }`;

// Two servers: whole answers with nginx's usual buffering, streams with it switched off.
function nginxConfig(c, programs, lua) {
  const server = (port, buffering) => `
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {${lua}
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering ${buffering};
    }
  }`;
  const modules = lua ? `load_module ${programs.ndk};\nload_module ${programs.lua};\n` : '';
  const cpath = programs.cjson ? path.join(path.dirname(programs.cjson), '?.so') : '';
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${c.folder}/${name};`)
    .join('\n');
  return `${modules}worker_processes 1;
daemon off;
pid ${c.folder}/pid;
error_log ${c.folder}/error.log;
worker_rlimit_nofile ${c.descriptors};
events { worker_connections ${Math.min(c.descriptors, 10000)}; }
http {
  access_log ${c.folder}/access.log;
${temp}
${lua ? `  lua_package_cpath "${cpath};;";` : ''}
  keepalive_requests 1000000000;
  tcp_nodelay on;
  client_body_buffer_size 1m;
  client_max_body_size 8m;
  proxy_read_timeout 600s;
  upstream provider {
    server 127.0.0.1:${c.providerPort};
    keepalive 512;
    keepalive_requests 1000000000;
  }${server(c.port, 'on')}${server(c.streamPort, 'off')}
}
`;
}

const haproxyConfig = (c) => `global
  nbthread 1
  maxconn ${Math.floor(c.descriptors / 2) - 100}
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  option http-no-delay
  timeout connect 5s
  timeout client 600s
  timeout server 600s
frontend front
  bind 127.0.0.1:${c.port} backlog 4096
  default_backend provider
backend provider
  server sim 127.0.0.1:${c.providerPort}
`;

// `guard`: it watches. `all`: also with client keys, exact limits and prices.
function graydConfig(c, programs, { guard = false, all = false } = {}) {
  const models = {};
  const releases = {};
  const more = all ? { price: { input: 2, cached_input: 0.5, output: 8 }, rate_per_minute: 1000000 } : {};
  for (const [name, upstream] of Object.entries(MODELS)) {
    models[upstream] = { provider: 'sim', name: upstream, ...more };
    models[`${upstream}-2`] = { provider: 'sim', name: upstream, ...more };
    releases[name] = { stable: upstream, candidate: `${upstream}-2`, guard: { mode: guard ? 'watch' : 'off' } };
  }
  const client = all && JSON.parse(execFileSync(programs.grayctl, ['-j', 'key', 'new', 'bench'], { encoding: 'utf8' }));
  if (client) c.headers = [`Authorization: Bearer ${client.key}`];
  return JSON.stringify({
    listen: [`127.0.0.1:${c.port}`],
    admin_listen: '',
    control_socket: `${c.folder}/control.sock`,
    state_dir: `${c.folder}/state`,
    workers: 1,
    user: process.getuid() === 0 ? 'nobody' : '',
    log: { level: 'info', file: `${c.folder}/requests.log`, requests: true },
    limits: { max_connections: Math.floor(c.descriptors / 2) - 100 },
    providers: { sim: { kind: 'openai', base_url: `http://127.0.0.1:${c.providerPort}/v1` } },
    models,
    releases,
    clients: client ? [{ ...client.entry, rate_per_minute: 1000000 }] : [],
  }, null, 2);
}

function nginx(name, lua, needs, says) {
  return {
    name,
    needs,
    says,
    config: (c, programs) => nginxConfig(c, programs, lua),
    command: (c, programs) => [programs.nginx, '-c', c.config, '-e', `${c.folder}/error.log`],
  };
}

function grayd(name, says, options) {
  return {
    name,
    needs: ['grayd', 'grayctl'],
    says: `one worker, candidate at half${says}`,
    config: (c, programs) => graydConfig(c, programs, options),
    command: (c, programs) => [programs.grayd, '-c', c.config],
    // Half of the traffic to each arm.
    ready: async (c, programs, cpu) => {
      for (const release of Object.keys(MODELS))
        await collect(cpu, [programs.grayctl, '-s', `${c.folder}/control.sock`, 'weight', release, '50']);
    },
  };
}

export const PROXIES = [
  nginx('nginx', '', ['nginx'], 'proxy_pass, body untouched'),
  nginx('nginx+lua', LUA_CJSON, ['nginx', 'ndk', 'lua', 'cjson'],
    'body decoded, model changed, encoded with lua-cjson'),
  nginx('lua-regex', LUA_GSUB, ['nginx', 'ndk', 'lua'],
    'model replaced in the text of the body by ngx.re.sub'),
  {
    name: 'haproxy',
    needs: ['haproxy'],
    says: 'option http-no-delay, body untouched',
    config: haproxyConfig,
    command: (c, programs) => [programs.haproxy, '-db', '-f', c.config],
  },
  grayd('grayd', '', {}),
  grayd('grayd+guard', ', the guard watches', { guard: true }),
  grayd('grayd+all', ', the guard watches, client keys, exact limits, prices', { guard: true, all: true }),
];

// Starts a proxy; returns where it serves and which processes it is made of.
export async function launch(proxy, bench) {
  const folder = fs.mkdtempSync(path.join(bench.folder, `${proxy.name.replace('+', '-')}-`));
  fs.chmodSync(folder, 0o777);
  fs.mkdirSync(`${folder}/state`);
  if (process.getuid() === 0) fs.chmodSync(`${folder}/state`, 0o777);
  const c = {
    folder,
    config: `${folder}/config`,
    port: await freePort(),
    streamPort: await freePort(),
    providerPort: bench.providerPort,
    descriptors: bench.descriptors,
    headers: [],
  };
  fs.writeFileSync(c.config, proxy.config(c, bench.programs));
  const child = start(bench.proxyCpu, proxy.command(c, bench.programs), `${folder}/output.log`);
  try {
    await untilServing(child, c.port, proxy.name);
    if (proxy.ready) await proxy.ready(c, bench.programs, bench.loadCpu);
  } catch (error) {
    await stop(child);
    throw error;
  }
  const streamPort = proxy.needs.includes('nginx') ? c.streamPort : c.port;
  return { child, pids: family(child.pid), port: c.port, streamPort, headers: c.headers };
}
