// SPDX-License-Identifier: MIT
// Finds the programs that are compared and says what is missing. Installs nothing.
import fs from 'node:fs';
import path from 'node:path';
import { execFileSync, spawnSync } from 'node:child_process';

const FOLDERS = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];

function find(name) {
  for (const folder of FOLDERS) {
    const file = path.join(folder, name);
    if (folder !== '' && fs.existsSync(file)) return file;
  }
  return null;
}

function firstOf(...files) {
  return files.find((file) => fs.existsSync(file)) ?? null;
}

// The folder of this machine's shared libraries, such as /usr/lib/x86_64-linux-gnu.
function findCjson() {
  for (const folder of fs.existsSync('/usr/lib') ? fs.readdirSync('/usr/lib') : []) {
    const file = `/usr/lib/${folder}/lua/5.1/cjson.so`;
    if (fs.existsSync(file)) return file;
  }
  return null;
}

function version(program, argument) {
  const r = spawnSync(program, [argument], { encoding: 'utf8' });
  return `${r.stdout}${r.stderr}`.trim().split('\n')[0];
}

export function findPrograms(root, grayd) {
  const build = (name) => firstOf(path.join(root, 'build', name));
  const modules = '/usr/lib/nginx/modules';
  return {
    loadgen: build('loadgen'),
    simprovider: build('simprovider'),
    grayd: grayd ? firstOf(grayd) : build('grayd'),
    grayctl: grayd ? firstOf(path.join(path.dirname(grayd), 'grayctl')) : build('grayctl'),
    taskset: find('taskset'),
    nginx: find('nginx'),
    haproxy: find('haproxy'),
    ndk: firstOf(`${modules}/ndk_http_module.so`),
    lua: firstOf(`${modules}/ngx_http_lua_module.so`),
    cjson: findCjson(),
  };
}

// What each program that can be missing is called in Debian, or how to get it.
export const SOURCES = {
  loadgen: 'make build/loadgen',
  simprovider: 'make build/simprovider',
  grayd: 'make build/grayd',
  grayctl: 'make build/grayctl',
  taskset: 'Debian package util-linux',
  nginx: 'Debian package nginx-light',
  haproxy: 'Debian package haproxy',
  ndk: 'Debian package libnginx-mod-http-ndk',
  lua: 'Debian package libnginx-mod-http-lua',
  cjson: 'Debian package lua-cjson',
};

export function versions(programs) {
  const out = {};
  if (programs.nginx) out.nginx = version(programs.nginx, '-v');
  if (programs.haproxy) out.haproxy = version(programs.haproxy, '-v');
  if (programs.grayd) out.grayd = version(programs.grayd, '-V');
  return out;
}

// The processors this process may use, e.g. [0, 1].
export function processors() {
  const text = fs.readFileSync('/proc/self/status', 'utf8');
  const list = /Cpus_allowed_list:\s*(\S+)/.exec(text)[1];
  return list.split(',').flatMap((range) => {
    const [from, to] = range.split('-').map(Number);
    return Array.from({ length: (to ?? from) - from + 1 }, (_, i) => from + i);
  });
}

export function machine() {
  const cpu = /model name\s*:\s*(.*)/.exec(fs.readFileSync('/proc/cpuinfo', 'utf8'));
  return {
    kernel: execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim(),
    cpu: cpu ? cpu[1] : 'unknown',
    processors: processors().length,
    load_average: fs.readFileSync('/proc/loadavg', 'utf8').split(' ')[0],
  };
}
